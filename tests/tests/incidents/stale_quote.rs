//! `last or bid or ask`: the first of the three that is neither null nor zero is the price, however old.

use std::time::Duration;

use backstop::EntryEnd;
use backstop::quote::Need;
use backstop_broker::{
    Broker, ClientOrderId, Decimal, Grant, Leg, OrderKind, OrderRequest, Outcome, PositionEffect, Quantity, Side,
    TimeInForce,
};
use backstop_sim::{FaultKind, LedgerOrder};

use super::trader::{Trader, enter, plan, slot};
use super::{Account, spy};

/// As old as a quote may be.
const MOST: Duration = Duration::from_secs(5);

/// No look at a stamp, and `or` where there is doubt.
async fn naive(account: &Account) {
    let quotes = account.broker.quotes(&[spy()]).await.unwrap();
    let quote = quotes.get(&spy()).unwrap();
    let truthy = |price: Option<Decimal>| price.filter(|price| !price.is_zero());
    let fields = [quote.last.value(), quote.bid.price.value(), quote.ask.price.value()];
    let price = fields.into_iter().find_map(truthy).unwrap();
    let quantity = Quantity::new(10).unwrap();
    let leg = Leg { symbol: spy(), side: Side::Buy, effect: PositionEffect::Open, quantity };
    let name = ClientOrderId::new("order-0").unwrap();
    let kind = OrderKind::Limit { price };
    let order = OrderRequest::new(name, spy(), vec![leg], kind, TimeInForce::Day).unwrap();
    let sent = account.broker.submit(&order, Grant::unmetered()).await;
    assert!(matches!(sent, Outcome::Accepted(_)), "{sent:?}");
}

fn orders(account: &Account) -> Vec<LedgerOrder> {
    account.broker.handle().ledger().orders
}

// proves: QUOTE-2, QUOTE-3
#[tokio::test(start_paused = true)]
async fn a_quote_of_ten_minutes_ago_or_of_nothing_is_not_traded_on() {
    for kind in [
        FaultKind::QuoteStale,
        FaultKind::QuoteFuture,
        FaultKind::QuoteCrossed,
        FaultKind::QuoteZero,
        FaultKind::QuoteNegative,
        FaultKind::QuoteText,
    ] {
        let account = Account::new();
        account.broker.handle().inject(kind, 1);
        naive(&account).await;
        let sent = orders(&account);
        assert!(sent.len() == 1 && sent[0].is_on_bad_quote(MOST), "the naive code trades on {kind}: {sent:?}");

        let (account, trader) = (Account::new(), Trader::new());
        let desk = trader.healthy(&account).await;
        // Whoever looked before knows by the order of the stamps alone.
        let price = account.broker.handle().true_prices(&spy()).unwrap().1 + Decimal::TWO;
        account.broker.handle().inject(kind, 1);
        let view = desk.look(&[spy()]).await.unwrap();
        // There is no quote to plan by, and whoever has a plan of before is turned away.
        assert!(desk.fresh(&view, &spy(), Need::Buy).is_err(), "{kind}");
        let end = desk.enter(slot(&desk, 1), plan(price), view).await;
        assert!(matches!(end, EntryEnd::Refused(_)), "{kind}: {end:?}");
        assert_eq!(account.broker.handle().ledger().requests.len(), 0, "{kind}");
        // The next quote is good, and so is the slot.
        let end = enter(&desk, 1).await;
        assert!(matches!(end, EntryEnd::Opened(_)), "{kind}: {end:?}");
        assert!(!orders(&account)[0].is_on_bad_quote(MOST), "{kind}");
    }
}
