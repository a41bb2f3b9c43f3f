//! One bot at a time. Start it twice: the second is told who is inside. Each line that you type is an order; delete the
//! lock file meanwhile, and the next order is not sent.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use backstop_file_lock::{AcquireError, Claim, Lock};
use jiff::Timestamp;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let path = std::env::args().nth(1).map_or(std::env::temp_dir().join("alone.lock"), PathBuf::from);
    let claim = Claim { label: "example bot".to_owned(), since: Timestamp::now() };

    let lock = match Lock::acquire(&path, &claim) {
        Ok(lock) => lock,
        Err(AcquireError::Held { holder, .. }) => {
            println!("not started: {}", holder.map_or("somebody is inside".to_owned(), |holder| holder.to_string()));
            return Ok(ExitCode::FAILURE);
        }
        Err(other) => return Err(other.into()),
    };
    println!("run {} of this bot holds {}; type an order, or end the input", lock.fence(), path.display());

    for order in std::io::stdin().lines() {
        let order = order?;
        // Right before each order: the answer says nothing of later.
        if !lock.still_held() {
            println!("not sent: the lock file was deleted or replaced, another bot may be running");
            return Ok(ExitCode::FAILURE);
        }
        println!("sent by run {}: {order}", lock.fence());
    }
    Ok(ExitCode::SUCCESS) // Dropped or killed: the next one gets in at once. The file stays.
}
