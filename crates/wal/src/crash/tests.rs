#![expect(clippy::print_stdout, reason = "the counts are the result")]

mod ablation;
mod damage;
mod errors;
mod states;
