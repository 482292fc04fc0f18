# Python with the packages of an example client, pinned by hash, made once for each content of its
# requirements.txt. To be sourced from the repository's root.
#
#   python_environment NAME       of examples/clients/NAME; sets $venv: .cache/venv-clients for python, else
#                                 .cache/venv-NAME

python_environment() {
    local name=$1 needs=examples/clients/$1/requirements.txt made
    venv=.cache/venv-clients
    if [[ $name != python ]]; then venv=.cache/venv-$name; fi
    made=$(sha256sum "$needs" | cut -c 1-64)
    if [[ $(cat "$venv/made" 2>/dev/null) != "$made" ]]; then
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
            -r "$needs"
        echo "$made" >"$venv/made"
    fi
}
