//! The kinds of fault, with the rates of the presets: one table.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal mild $mild:literal hostile $hostile:literal delay $delay:literal;)*) => {
        /// Something that goes wrong between a bot and its broker.
        ///
        /// The name in configuration files and counts is the variant's in `snake_case`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum FaultKind {
            $($(#[$doc])* $kind,)*
        }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The name in configuration files and counts.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// Per mille of the calls that can suffer it: in the presets `mild` and `hostile`.
            pub(crate) const fn rates(self) -> (u16, u16) {
                match self {
                    $(Self::$kind => ($mild, $hostile),)*
                }
            }

            /// Milliseconds that it lasts, for the kinds that last.
            pub(crate) const fn delay_ms(self) -> u64 {
                match self {
                    $(Self::$kind => $delay,)*
                }
            }
        }
    };
}

kinds! {
    /// An order never arrives, and nobody says so: no answer comes.
    RequestLost "request_lost" mild 5 hostile 30 delay 30_000;
    /// An order is placed; the connection ends without an answer.
    AnswerLost "answer_lost" mild 10 hostile 40 delay 0;
    /// An order is placed; the answer comes after the client has given up.
    AnswerDelayed "answer_delayed" mild 5 hostile 30 delay 8_000;
    /// An order is queued on its way and placed later, when its sender has given up. No answer comes.
    LateProcessing "late_processing" mild 0 hostile 20 delay 3_000;
    /// An order is placed twice. No client can prevent it, so no preset has it.
    DuplicateProcessing "duplicate_processing" mild 0 hostile 0 delay 0;
    /// The server fails before the order is placed.
    ServerErrorBefore "server_error_before" mild 5 hostile 15 delay 0;
    /// The server fails after the order was placed.
    ServerErrorAfter "server_error_after" mild 5 hostile 15 delay 0;
    /// An order is placed; the answer's body is shorter than announced.
    TruncatedBody "truncated_body" mild 5 hostile 15 delay 0;
    /// An order is placed; the answer is whole as HTTP, but its JSON stops in the middle.
    CutJson "cut_json" mild 0 hostile 10 delay 0;
    /// An order is placed; the answer is an HTML page with status 200.
    HtmlBody "html_body" mild 0 hostile 10 delay 0;
    /// An order is turned away for too many requests, whatever the count, and told to wait for so long.
    Throttled "throttled" mild 5 hostile 10 delay 2_000;
    /// An order is taken with `ok` and rejected a moment later.
    RejectedLater "rejected_later" mild 5 hostile 25 delay 600;

    /// A cancel never arrives; no answer comes.
    CancelLost "cancel_lost" mild 10 hostile 30 delay 30_000;
    /// A cancel is taken; the connection ends without an answer.
    CancelAnswerLost "cancel_answer_lost" mild 10 hostile 30 delay 0;
    /// A cancel is confirmed, and the order fills all the same.
    CancelRace "cancel_race" mild 20 hostile 100 delay 0;

    /// A read's connection ends without an answer.
    ReadLost "read_lost" mild 2 hostile 8 delay 0;
    /// A read's answer comes after the client has given up.
    ReadDelayed "read_delayed" mild 0 hostile 4 delay 8_000;
    /// The server fails at a read.
    ReadServerError "read_server_error" mild 5 hostile 10 delay 0;
    /// A read's body is shorter than announced.
    ReadTruncated "read_truncated" mild 2 hostile 8 delay 0;
    /// A read brings an HTML page with status 200.
    ReadHtml "read_html" mild 1 hostile 5 delay 0;
    /// A read is turned away for too many requests, whatever the count, and told to wait for so long.
    ReadThrottled "read_throttled" mild 1 hostile 5 delay 1_000;

    /// The list of positions is empty although there are some.
    PositionsEmpty "positions_empty" mild 10 hostile 40 delay 0;
    /// A fill shows in the list of positions only after this time, instead of the configured lag.
    PositionsLag "positions_lag" mild 50 hostile 150 delay 4_000;
    /// The list of orders is empty although there are some.
    OrdersEmpty "orders_empty" mild 0 hostile 10 delay 0;
    /// A new order shows in the list of orders only after this time.
    OrdersLag "orders_lag" mild 20 hostile 80 delay 1_500;
    /// An order says `filled` this long before it says how much and at what price.
    FilledBeforeQuantities "filled_before_quantities" mild 50 hostile 150 delay 800;

    /// Only a part of an order fills at first.
    PartialFill "partial_fill" mild 100 hostile 250 delay 0;
    /// Only a part of an order ever fills.
    PartialFillStuck "partial_fill_stuck" mild 0 hostile 30 delay 0;

    /// A quote's stamps are this old.
    QuoteStale "quote_stale" mild 2 hostile 15 delay 600_000;
    /// A symbol's quote stands still, values and stamps, for this long.
    QuoteFrozen "quote_frozen" mild 1 hostile 5 delay 8_000;
    /// A quote's bid is above its ask.
    QuoteCrossed "quote_crossed" mild 2 hostile 10 delay 0;
    /// A quote's prices are zero.
    QuoteZero "quote_zero" mild 2 hostile 10 delay 0;
    /// A quote lacks its bid, its ask or both.
    QuoteMissing "quote_missing" mild 2 hostile 10 delay 0;
    /// A quote's prices are negative.
    QuoteNegative "quote_negative" mild 0 hostile 2 delay 0;
    /// A quote's prices are words.
    QuoteText "quote_text" mild 0 hostile 5 delay 0;
    /// A symbol that is known is answered as unknown.
    QuoteUnmatched "quote_unmatched" mild 0 hostile 3 delay 0;
    /// A quote's stamps lie this far in the future.
    QuoteFuture "quote_future" mild 0 hostile 3 delay 30_000;

    /// Somebody else places an order on the same account by hand, and cancels it after this time. Drawn each second.
    ManualOrder "manual_order" mild 150 hostile 300 delay 2_000;
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text).ok_or_else(|| UnknownFault { name: text.to_owned() })
    }
}

/// A name that no kind of fault has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault {name:?}; there are {}", names())]
pub struct UnknownFault {
    /// The name.
    pub name: String,
}

pub(crate) fn names() -> String {
    FaultKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}
