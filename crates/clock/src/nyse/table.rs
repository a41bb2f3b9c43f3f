//! What the exchange has announced.
//!
//! Sources: NYSE Group, "2022, 2023 and 2024", "2025, 2026 and 2027" and "2026, 2027 and 2028 Holiday and Early Closings
//! Calendar" (27 December 2021, 8 November 2024, 23 December 2025; also at nyse.com/markets/hours-calendars), and the
//! closing of 9 January 2025 for the national day of mourning for Jimmy Carter (30 December 2024). A year is added when it
//! is announced, never computed ahead: rules do not know days of mourning, and they change (Juneteenth, 2022).

/// Year, month, day.
pub(super) type Ymd = (i16, i8, i8);

/// The first year of the table.
pub const FIRST_YEAR: i16 = 2024;
/// The last year of the table.
pub const LAST_YEAR: i16 = 2028;

const NEW_YEAR: &str = "New Year's Day";
const KING: &str = "Martin Luther King, Jr. Day";
const WASHINGTON: &str = "Washington's Birthday";
const GOOD_FRIDAY: &str = "Good Friday";
const MEMORIAL: &str = "Memorial Day";
const JUNETEENTH: &str = "Juneteenth National Independence Day";
const INDEPENDENCE: &str = "Independence Day";
const LABOR: &str = "Labor Day";
const THANKSGIVING: &str = "Thanksgiving Day";
const CHRISTMAS: &str = "Christmas Day";
const MOURNING: &str = "National Day of Mourning for Jimmy Carter";

/// Weekdays without trading, on the day on which they are observed.
pub(super) const HOLIDAYS: [(Ymd, &str); 50] = [
    ((2024, 1, 1), NEW_YEAR),
    ((2024, 1, 15), KING),
    ((2024, 2, 19), WASHINGTON),
    ((2024, 3, 29), GOOD_FRIDAY),
    ((2024, 5, 27), MEMORIAL),
    ((2024, 6, 19), JUNETEENTH),
    ((2024, 7, 4), INDEPENDENCE),
    ((2024, 9, 2), LABOR),
    ((2024, 11, 28), THANKSGIVING),
    ((2024, 12, 25), CHRISTMAS),
    ((2025, 1, 1), NEW_YEAR),
    ((2025, 1, 9), MOURNING),
    ((2025, 1, 20), KING),
    ((2025, 2, 17), WASHINGTON),
    ((2025, 4, 18), GOOD_FRIDAY),
    ((2025, 5, 26), MEMORIAL),
    ((2025, 6, 19), JUNETEENTH),
    ((2025, 7, 4), INDEPENDENCE),
    ((2025, 9, 1), LABOR),
    ((2025, 11, 27), THANKSGIVING),
    ((2025, 12, 25), CHRISTMAS),
    ((2026, 1, 1), NEW_YEAR),
    ((2026, 1, 19), KING),
    ((2026, 2, 16), WASHINGTON),
    ((2026, 4, 3), GOOD_FRIDAY),
    ((2026, 5, 25), MEMORIAL),
    ((2026, 6, 19), JUNETEENTH),
    ((2026, 7, 3), INDEPENDENCE), // the 4th is a Saturday
    ((2026, 9, 7), LABOR),
    ((2026, 11, 26), THANKSGIVING),
    ((2026, 12, 25), CHRISTMAS),
    ((2027, 1, 1), NEW_YEAR),
    ((2027, 1, 18), KING),
    ((2027, 2, 15), WASHINGTON),
    ((2027, 3, 26), GOOD_FRIDAY),
    ((2027, 5, 31), MEMORIAL),
    ((2027, 6, 18), JUNETEENTH),  // the 19th is a Saturday
    ((2027, 7, 5), INDEPENDENCE), // the 4th is a Sunday
    ((2027, 9, 6), LABOR),
    ((2027, 11, 25), THANKSGIVING),
    ((2027, 12, 24), CHRISTMAS), // the 25th is a Saturday
    // New Year's Day of 2028 is a Saturday and not observed: a year is not closed a day early.
    ((2028, 1, 17), KING),
    ((2028, 2, 21), WASHINGTON),
    ((2028, 4, 14), GOOD_FRIDAY),
    ((2028, 5, 29), MEMORIAL),
    ((2028, 6, 19), JUNETEENTH),
    ((2028, 7, 4), INDEPENDENCE),
    ((2028, 9, 4), LABOR),
    ((2028, 11, 23), THANKSGIVING),
    ((2028, 12, 25), CHRISTMAS),
];

/// Days that close at 13:00.
pub(super) const EARLY_CLOSES: [Ymd; 11] = [
    (2024, 7, 3),
    (2024, 11, 29),
    (2024, 12, 24),
    (2025, 7, 3),
    (2025, 11, 28),
    (2025, 12, 24),
    (2026, 11, 27),
    (2026, 12, 24),
    (2027, 11, 26),
    (2028, 7, 3),
    (2028, 11, 24),
    // None on 24 December of 2027 (a holiday) and 2028 (a Sunday), or on 2 July of 2026 and 2027.
];
