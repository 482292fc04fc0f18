//! Every reason a caller can be given: a stable code, and what to do next in
//! Vietnamese and English.
