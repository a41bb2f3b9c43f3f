//! The queue and its budget against brute force, in virtual time.

mod brute;
mod exhaustive;
mod lines;
mod random;

use std::time::Duration;

use super::Queue;
use crate::budget::Budget;
use crate::limits::Limits;
use crate::request::{Priority, Request};
use crate::tick::Tick;
use crate::window::Window;

fn window(max: u32, length: u64) -> Window {
    Window::new(max, Duration::from_nanos(length)).unwrap()
}

fn queue(limits: &Limits) -> Queue {
    Queue::new(Budget::new(limits))
}

fn tick(nanos: u64) -> Tick {
    Tick::of(backstop_clock::Mono::from_origin(Duration::from_nanos(nanos)))
}

fn request(priority: Priority, weight: u32) -> Request {
    Request::new(priority).weighing(weight.try_into().unwrap())
}
