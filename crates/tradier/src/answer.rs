//! What kind of body an answer has, before anybody asks what it says.

use crate::json::{Malformed, Node, Object};

/// The longest bare sentence. Tradier's have less than a hundred characters.
const MAX_SENTENCE: usize = 1000;

/// A body by its shape (`{"errors"...}`, `{"fault"...}`, other JSON, bare words, none of these).
#[derive(Debug)]
pub(crate) enum Body<'a> {
    /// The documented refusal.
    Errors(Vec<String>),
    /// The gateway's own failure.
    Fault(String),
    /// The words of a refusal for too many requests, as JSON or not.
    Quota(String),
    /// The order system behind the gateway failed: it says so where refusals are said, but it is none.
    Broken(String),
    /// Any other JSON object.
    Json(Object<'a>),
    /// A sentence without any mark-up: Tradier's validation and lookup refusals.
    Sentence(String),
    /// None of these; what it is instead.
    Opaque(String),
}

impl<'a> Body<'a> {
    pub(crate) fn of(body: &'a str) -> Self {
        let text = body.trim();
        if text.starts_with(['{', '[']) {
            return match Object::parse(text) {
                Ok(object) => Self::of_object(object),
                Err(Malformed(why)) => Self::Opaque(why),
            };
        }
        if text.is_empty() {
            return Self::Opaque("an empty answer".to_owned());
        }
        if text.starts_with('<') {
            return Self::Opaque("a page of HTML or XML".to_owned());
        }
        let words = text.chars().any(char::is_alphabetic) && text.contains(char::is_whitespace);
        if !words || text.len() > MAX_SENTENCE || text.starts_with('"') || text.contains(char::REPLACEMENT_CHARACTER) {
            return Self::Opaque("neither JSON nor a sentence".to_owned());
        }
        Self::of_words(vec![text.to_owned()], |mut words| Self::Sentence(words.pop().unwrap_or_default()))
    }

    fn of_object(object: Object<'a>) -> Self {
        if let Some(fault) = object.get("fault") {
            let text = fault_text(fault);
            return if is_quota(&text) { Self::Quota(text) } else { Self::Fault(text) };
        }
        // A refusal may stand inside the order it is about. Reads keep `order.errors` as the order's own.
        Self::refusal(object.get("errors"), has_order_id(&object)).unwrap_or(Self::Json(object))
    }

    /// What `errors` are, if there are any: a refusal, unless an order is named beside them.
    fn refusal(errors: Option<Node<'_>>, names_order: bool) -> Option<Self> {
        Some(match error_texts(errors?) {
            Some(_) if names_order => Self::Opaque("both errors and the id of an order".to_owned()),
            Some(texts) => Self::of_words(texts, Self::Errors),
            None => Self::Opaque("errors in a form that is not documented".to_owned()),
        })
    }

    fn of_words(texts: Vec<String>, otherwise: impl FnOnce(Vec<String>) -> Self) -> Self {
        let all = texts.join("; ");
        if is_quota(&all) {
            Self::Quota(all)
        } else if is_broken(&all) {
            Self::Broken(all)
        } else {
            otherwise(texts)
        }
    }

    /// The body of an answer to an order: there a refusal may also stand inside `order`.
    pub(crate) fn of_order_answer(body: &'a str) -> Self {
        let outer = Self::of(body);
        let Self::Json(object) = &outer else { return outer };
        let Some(order) = object.get("order").and_then(|order| order.object().ok()) else { return outer };
        Self::refusal(order.get("errors"), order.raw("id").is_some()).unwrap_or(outer)
    }
}

/// For a failure whose text alone is of interest.
impl Body<'_> {
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Errors(texts) => texts.join("; "),
            Self::Fault(text) | Self::Quota(text) | Self::Broken(text) | Self::Sentence(text) | Self::Opaque(text) => {
                text.clone()
            }
            Self::Json(_) => "JSON of an unexpected form".to_owned(),
        }
    }
}

/// The code among the texts of a refusal: the entry that is one word in `CamelCase` (`InitialMargin`). The list grows,
/// so it is recognized by its form.
pub(crate) fn code(texts: &[String]) -> Option<String> {
    let capitals = |text: &str| text.bytes().filter(u8::is_ascii_uppercase).count();
    let is_code = |text: &&String| {
        text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.bytes().all(|b| b.is_ascii_alphanumeric())
            && (2..text.len()).contains(&capitals(text))
    };
    texts.iter().find(is_code).cloned()
}

/// `{"error": "..."}`, `{"error": ["...", "..."]}` or a bare text; `None` for any other form.
pub(crate) fn error_texts(errors: Node<'_>) -> Option<Vec<String>> {
    if let Some(text) = errors.string() {
        return Some(vec![text]);
    }
    let rows = errors.object().ok()?.get("error")?.rows().ok()?;
    let texts: Vec<String> = rows.into_iter().map(Node::string).collect::<Option<_>>()?;
    (!texts.is_empty()).then_some(texts)
}

fn fault_text(fault: Node<'_>) -> String {
    let Ok(object) = fault.object() else { return "a fault of the gateway".to_owned() };
    let code = object.get("detail").and_then(|detail| detail.object().ok()?.remark("errorcode"));
    let texts = [object.remark("faultstring"), code];
    texts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn has_order_id(object: &Object<'_>) -> bool {
    object.get("order").and_then(|order| order.object().ok()).is_some_and(|order| order.raw("id").is_some())
}

fn is_quota(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["quota violation", "quotaviolation", "policies.ratelimit", "spikearrest", "too many requests"]
        .iter()
        .any(|words| text.contains(words))
}

fn is_broken(text: &str) -> bool {
    text.contains("OmsInternalError") || text.contains("OmsUnavailable")
}
