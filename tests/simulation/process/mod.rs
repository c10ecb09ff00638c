//! The real binary, as a process of its own, against the simulated API server on a loopback port. Here
//! signals, terminals, pipes and the death of a process are real, and so is time: what the simulation
//! cannot show because it lives inside one process.

mod lock;
mod pipes;
mod program;
mod served;
mod signals;
mod terminal;
