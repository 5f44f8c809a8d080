//! The integration tests, in one binary because each further one would link everything again.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod surroundings;
#[cfg(test)]
mod tidy;
