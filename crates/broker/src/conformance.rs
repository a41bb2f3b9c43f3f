//! What an adapter must guarantee, as a function over any broker.
