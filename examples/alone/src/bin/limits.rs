//! May this order leave? `limits FILE 500 SPY 560.00` judges an order to buy 500 SPY at 560.00 by the limits in FILE, and
//! says all that it breaks.

use std::error::Error;
use std::process::ExitCode;

use backstop_broker::{
    ClientOrderId, Decimal, Leg, OrderKind, OrderRequest, PositionEffect, Quantity, Side, Symbol, TimeInForce,
};
use backstop_limits::{Config, Counters, Exposure, Kind, Limits, Look, Reference, References};
use jiff::Timestamp;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, quantity, symbol, price] = args.as_slice() else {
        return Err("usage: limits FILE QUANTITY SYMBOL PRICE".into());
    };
    let (symbol, price): (Symbol, Decimal) = (symbol.parse()?, price.parse()?);

    // A limit that is missing there, or has a name that nobody knows, ends it here.
    let config: Config = serde_json::from_reader(std::fs::File::open(file)?)?;
    let (limits, loosened) = Limits::start(config, None)?; // or with those of the last run
    for change in loosened {
        println!("looser than before: {change:?}");
    }

    let leg = Leg {
        symbol: symbol.clone(),
        side: Side::Buy,
        effect: PositionEffect::Open,
        quantity: Quantity::new(quantity.parse()?)?,
    };
    let id = ClientOrderId::new("bs-1")?;
    let order = OrderRequest::new(id, symbol.clone(), vec![leg], OrderKind::Limit { price }, TimeInForce::Day)?;

    // What a bot keeps: the market, what is open or may be, and what was counted so far. Here the market is at 560.
    let references = References::from([(symbol, Reference { bid: "559.90".parse()?, ask: "560.10".parse()? })]);
    let (exposure, counters) = (Exposure::new(), Counters::default());
    let (references, exposure, counters) = (&references, &exposure, &counters);
    let look = Look { references, exposure, counters, open_result: Ok(Decimal::ZERO), now: Timestamp::now() };

    match limits.check(&order, &Kind::new("scalper"), look) {
        Ok(_) => {
            println!("within all limits");
            Ok(ExitCode::SUCCESS)
        }
        Err(refused) => {
            println!("denied: {refused}");
            Ok(ExitCode::FAILURE)
        }
    }
}
