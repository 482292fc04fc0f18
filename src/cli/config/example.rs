//! A configuration file with every key, for people to start from.

/// A configuration file with every key and its default; shown in the help of
/// `serve` and parsed in a test.
pub(in crate::cli) const EXAMPLE: &str = r#"[engine]
pack = "models/default"        # folder of the model pack
# second_pack = "models/next"  # enrol and search by this one as well
# onnxruntime = "libonnxruntime.so.1.31.1"
# workers = 2                  # default: one per core
queue_max = 64                 # photos that may wait for a worker
curve = "worst-group"          # whose error rates are stated: worst-group, or pooled
default_fmr = 1e-5             # where a 1:1 request names no false match rate
default_fpir = 0.01            # where a 1:N request names no rate

[images]
encoded_bytes_max = 16777216   # largest photo, in bytes
pixels_max = 50000000          # largest photo, in pixels
decode_bytes_max = 536870912   # largest memory one photo may take to decode

[server]
listen = "127.0.0.1:50051"
requests_in_flight_max = 64    # beyond it: RESOURCE_EXHAUSTED with a retry hint
turn_wait_seconds_max = 2.0    # likewise for who would wait longer for a turn, or miss the deadline
message_bytes_max = 67108864   # a reference and five captures of 8 MiB fit
deadline_seconds_max = 30      # longest a request may take
drain_seconds = 20             # how long SIGTERM waits for requests in flight

# [tls]                        # without it only loopback addresses are taken; read anew at SIGHUP
# certificate = "server.pem"   # PEM: the server's own, then those it was signed with
# key = "server.key"           # PEM, 0600
# client_ca = "clients.pem"    # authorities of clients' certificates; without it none is asked for
# client_crl = ["clients.crl"] # their revocation lists, PEM or DER
# client_certificates = "required"  # or optional: checked where a client has one
# min_version = "1.3"          # or 1.2, for Windows 10 and Windows Server 2019

[gallery]
data = "people"                # folder of the gallery
# id = "0123456789abcdef0123456789abcdef"  # the gallery that must be there: `chinhchu gallery show`
# templates_max = 20000000
# memory_bytes_max = 8589934592  # for the index; default: half of the machine's memory
legal_basis = "optional"       # of each enrolment; required: refused without, and first_sight enrols nobody
graph = false                  # serve: keep a graph for approximate look-ups, in the same memory

[cases]                        # what officers do, and what is looked at before a decision
history_days = 30              # a record's earlier attempts are evidence for so long
capture_days = 90              # fingerprints of captures are kept for so long; 0: none
# capture_key = "captures.key" # their key, 0600; default: in the gallery's folder
picture_days = 30              # sealed: captures and chip photo of what did not approve, for officers,
                               # until the transaction is closed or for so long, 0 to 30; 0: none
answer_hours = 24              # an officer answers a case that waits within so long; later ones count as well
challenge_minutes = 10         # a challenge of Active Authentication may be answered for so long
clear_officers = 1             # officers it takes to clear a pair: 1 or 2
# clear_days = 365             # the clearing of a pair ends after so long; default: never

[rights]                       # within how many days requests of people are answered; docs/rights.md
acknowledge_days = 2           # that it came, and whether it can be carried out
complete_days = 15             # that it is carried out, or refused
erase_days = 20                # the same of an erasure

# [retention]                  # with it: older data are taken away, once a day; docs/rights.md
# decision_days = 3650         # decisions and their answers; no less than cases.history_days, capture_days
# request_days = 1825          # requests of people, from their end on
# standing_days = 1825         # what was said of records that are neither restricted nor held

# [ledger]                     # with it: everything that is done is entered; docs/ledger.md
# origin = "ledger.bhxh.example/counter"   # the log's name, for ever
# signing_key = "ledger-signing.key"       # signs it, 0600; made where the log begins
# replaces = "ledger-signing-1.key"        # change keys: the one that signed until now
# digest_key = "ledger-digest.key"         # transactions and subjects are named under it, 0600
# retention_days = 3650        # contents of entries are kept for so long; default: for ever

# [sealing]                    # with it: what is at rest is sealed; docs/sealing.md
# key = { credential = "chinhchu-master" } # the master key: a systemd credential; or { file = "master.key" },
                               # 0600; or { command = ["/usr/local/bin/unseal"] }, which writes it
# previous_key = { file = "master-1.key" } # change keys: the master key until now
# key_store = "/var/lib/chinhchu-keys/subjects.keys" # keys of subjects; outside the data folder
# key_store_copy = "/mnt/second-disk/subjects.keys"  # a copy of them, on another disk
# seal = "while_serving"       # a gallery that lies in the clear is sealed beside the work; default: refused

# [backup]                     # `chinhchu backup`; docs/backup.md
# to = "/mnt/backups"          # folder of the backups, on another disk or machine
# key = { file = "backup.key" } # as sealing.key; default: a key derived from that
# previous_key = { file = "backup-1.key" } # opens earlier backups, over a change of keys
# keep = 14                    # the newest so many stay; default: all
# keep_days = 90               # and those that are no older than so many days
# rate_mb = 200                # at most so many megabytes of the gallery are read a second

# [desk]                       # pages for desks and officers at /desk/; docs/desk.md
# pages = true                 # false: there are none
# address = "https://desk.bhxh.example"  # the address that browsers know this server by
# idle_minutes = 15            # 1 to 120: without a call, somebody is signed out
# session_hours = 10           # 1 to 24: in any case
# agent = "http://127.0.0.1:8765"  # the card reader's program on the desk's own machine
# [desk.policies]              # what special cases are decided by; default: the default policy. With
                               # [access] name them in [access.roles.counter] or .clinic policies, too
# no_card = "by_officer"
# child = "by_officer"
# cannot_look = "by_officer"
# covered = "by_officer"
# collector = "by_officer"
# home_visit = "by_officer"
# [desk.sign_in]               # at the issuer of [access.tokens]
# client_id = "chinhchu-desk"
# client_secret = "desk-client.secret"  # of a confidential client, 0600
# scope = "openid"
# resource = "chinhchu"        # what the token is to be for, where the issuer wants to be told
# [desk.systems.payments]      # a machine of [access.machines] that hands records over
# return_to = ["https://payments.bhxh.example/desk/"]
# webhook = "https://payments.bhxh.example/hooks/desk"
# webhook_key = "payments-webhook.key"  # signs results, 0600

[capture]                      # Verify and Identify; decisions have policies of their own
quality = "advisory"           # off, advisory (measured and told), required (or refused)
liveness = "advisory"          # likewise, for probes, and for several frames being one picture
liveness_min = 0.5             # 0 to 1

[capture.live]                 # accept ranges of a picture taken now; what is not named keeps its default
eye_distance = { min = 32.0 }  # px; `chinhchu models` lists every measure
capture = { min = 35.0 }       # 0 to 100
utility = { min = 45.0 }       # 0 to 100

[capture.chip]                 # and of a card's photo
eye_distance = { min = 16.0 }

[chip]
# csca = "csca"                # country certificates: a file, a master list, a folder
csca_unreadable = "skip"       # one of them that cannot be read: skip it and say so, or stop

[ids]
numbers = "refuse"             # new ids of subjects and officers that look like a citizen's, insurance
                               # or identity number; accept where your pseudonyms look so

# [access.machines.payments]   # with [access]: who is not in it is refused; docs/access.md
# uri = "spiffe://bhxh.example/payments"  # a name in the machine's certificate; or dns = "…"
# roles = ["workflow"]         # of calls without a token: workflow, counter, clinic, registrar,
                               # auditor, operator; officers are people
# people = ["counter"]         # roles in which people may act through it; default: all they have
# unit = "Q1"                  # where it stands
# province = "79"
# [access.tokens]              # people: access tokens of one OpenID provider; docs/tokens.md
# issuer = "https://login.bhxh.example/realms/desks"
# audience = "chinhchu"
# [access.operators]           # two of them approve every change: `chinhchu config operator-key`
# an = "…"
# [access.roles.counter]
# fields = ["measures"]        # shown to the role as well: match_scores, measures, other_records
# without = ["Verify"]         # methods it may not call here
# policies = ["by_officer"]    # what counter and clinic may name beside the default policy
# calls_per_minute = 600       # of one principal
# calls_at_once = 16
# identifications_per_day = 0

[danger]
insist = []                    # start although rules about dangerous set-ups refuse: their codes;
                               # `chinhchu config check` prints which are broken

[policies.default]             # decisions on beneficiaries; more under names of your own
without = []                   # evidence it does without: chip, number, name, birth_date, sex,
                               # scheme, quality, liveness, chip_face, reference_face, duplicates,
                               # history
first_sight = "refer"          # nobody enrolled yet: refer; accept: the chip alone; enrol: and enrol
attempts_max = 3               # of one transaction
attempts_per_day_max = 6       # about one record, over all transactions; beyond it refers
chip_fmr = 1e-5                # captures against the chip's photo
chip_refer_fmr = 1e-3          # up to here it refers, beyond it denies
chip_photo_years_max = 10      # an older photo, or one of unknown age, widens that band
chip_refer_fmr_old = 1e-2      # up to here; the rate to approve at stays
reference_fmr = 1e-5           # captures against the enrolled reference
reference_refer_fmr = 1e-3
fpir = 0.01                    # share of searches for duplicates that chance alone may refer
liveness_min = 0.5             # 0 to 1, mean of the different captures
quality_min = 30.0             # 0 to 100, best of the captures

[policies.default.on]          # accept, refer or deny; only some may be accepted
chip_unanchored = "refer"      # accept it only until you have the country's certificate
chip_weak = "refer"            # SHA-1, short RSA keys
chip_not_proven = "accept"     # no Active Authentication; every decision says so
challenge_not_issued = "refer" # the chip answered a challenge that this server did not issue for it;
                               # accept: readers cannot ask first, and no chip counts as proven
chip_lapsed = "refer"          # expired
chip_unreadable = "refer"
chip_untrusted = "deny"        # revoked, broken chain
number_differs = "deny"        # the card against the record
name_differs = "refer"
birth_date_differs = "refer"
number_unreadable = "refer"    # written so that nothing can be told of the person
name_unreadable = "refer"
birth_date_unreadable = "refer"
sex_differs = "refer"
scheme_not_in_record = "refer" # enrolled, but not for the scheme asked for
chip_face_differs = "deny"
reference_face_differs = "refer"
record_disagrees = "refer"     # the enrolled photos are not of one person
capture_seen_before = "refer"  # it took part in another transaction; may be accepted
attempts_many = "refer"        # more attempts in a day than attempts_per_day_max
duplicate_face = "refer"       # the same face on another record
capture_is_chip_photo = "refer" # not a picture taken now; may be accepted, as the next three
capture_is_enrolled_photo = "refer"
frames_repeated = "refer"      # one picture sent as several: it counts once
frames_still = "refer"         # nothing moves between captures: they count as one
liveness_low = "refer"
quality_poor = "refer"
"#;
