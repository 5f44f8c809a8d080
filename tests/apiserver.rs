//! The real thing: a kube-apiserver with etcd and the controllers, where `FERRODNS_APISERVER` names the program that is all
//! of them (started as `PROGRAM -dir FOLDER`, it prints one line of JSON when it is ready). Without it these tests say that
//! they are left out, except that the simulated API server is always held against what the real one was seen to answer.
//!
//! `FERRODNS_APISERVER_LONG=1` adds outages of up to 95 s; `FERRODNS_APISERVER_RECORD=1` writes `apiserver/transcript.txt` anew.

mod cluster;
mod outage;
mod real;
mod shape;
