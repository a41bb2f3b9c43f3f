//! Nothing but a pass through every check makes a quote fresh, however the feed came to where it is.

use backstop_quote::{Market, MarketState, Need, Quote, Reason};

use crate::rig::{
    OTHER, SECOND, SHARE, exact_poll, exact_stream, feed, mono, now, open, price, quote, receive, symbol,
};

/// One thing that is wrong, for the checks at receipt or at use.
struct Wrong {
    reason: &'static str,
    quote: fn(&mut Quote),
    market: fn(&mut Market),
    at: i64,
}

const NOTHING: Wrong = Wrong { reason: "", quote: |_| {}, market: |_| {}, at: 0 };

/// The checks one by one: what is otherwise in order is refused for each of them.
const WRONG: [Wrong; 9] = [
    Wrong { reason: "crossed", quote: |quote| quote.bid.price = price("100.11"), ..NOTHING },
    Wrong { reason: "too wide", quote: |quote| quote.ask.price = price("102"), ..NOTHING },
    Wrong { reason: "no side", quote: |quote| quote.ask.price = price("0"), ..NOTHING },
    Wrong { reason: "too small", quote: |quote| quote.ask.size = price("0"), ..NOTHING },
    Wrong { reason: "market not open", market: |market| market.state = MarketState::Halted, ..NOTHING },
    Wrong { reason: "market stale", market: |market| market.asked = mono(-61 * SECOND), ..NOTHING },
    Wrong { reason: "connection silent", at: 6 * SECOND, ..NOTHING },
    Wrong { reason: "received ahead", at: -SECOND, ..NOTHING },
    Wrong { reason: "unreadable", quote: |quote| quote.bid.size = backstop_quote::Field::Unreadable, ..NOTHING },
];

// proves: QUOTE-1
#[test]
fn each_check_alone_stands_in_the_way() {
    for config in [exact_stream(), exact_poll()] {
        let mut config = config;
        config.share.min_size = 1.into();
        for Wrong { reason, quote: spoil, market: close, at } in WRONG.iter().chain([&NOTHING]) {
            let mut feed = feed(config.clone());
            assert_eq!(receive(&mut feed, &quote(OTHER, 0, 0)), "");
            let mut one = quote(SHARE, 0, 0);
            spoil(&mut one);
            let _verdict = feed.receive(&one);
            let mut market = open(0);
            close(&mut market);
            let judged = feed.fresh(&symbol(SHARE), Need::Buy, &market, now(*at));
            let name = judged.as_ref().map_or_else(|refusal| refusal.reason.name(), |_fresh| "");
            assert_eq!(name, *reason);
        }
    }
}

// proves: QUOTE-1
#[test]
fn what_is_refused_does_not_leave_the_one_before_in_force() {
    let mut feed = feed(exact_stream());
    let judged = |feed: &backstop_quote::Feed| {
        let judged = feed.fresh(&symbol(SHARE), Need::Buy, &open(0), now(0));
        judged.map(|fresh| fresh.at(now(0)).unwrap().clone()).map_err(|refusal| refusal.reason)
    };
    assert_eq!(judged(&feed), Err(Reason::NoQuote));
    let good = quote(SHARE, 0, 0);
    assert_eq!(receive(&mut feed, &good), "");
    assert_eq!(judged(&feed), Ok(good.clone()));
    let mut crossed = good.clone();
    crossed.bid.price = price("101");
    let reason = feed.receive(&crossed).unwrap_err().reason;
    assert_eq!(judged(&feed), Err(reason), "the refusal stands until the next quote");
    assert_eq!(receive(&mut feed, &good), "");
    assert_eq!(judged(&feed), Ok(good));
}
