//! The integration tests, in one binary because each further one would link everything again.

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod apiserver;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod language;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod operation;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod process;
#[cfg(test)]
mod readmes;
#[cfg(test)]
mod resolvers;
#[cfg(test)]
mod side_pages;
#[cfg(test)]
mod surroundings;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod upstreams;
#[cfg(test)]
mod warm;
#[cfg(test)]
mod watch;
