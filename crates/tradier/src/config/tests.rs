use super::*;

fn config() -> TradierConfig {
    let account = AccountId::new("VA00000001").unwrap();
    let credentials = Credentials::new(account, "a-token-of-tests".to_owned().into()).unwrap();
    TradierConfig::new(BaseUrl::new(BaseUrl::SANDBOX).unwrap(), credentials)
}

#[test]
fn production_is_recognized_however_it_is_written() {
    for text in [
        "https://api.tradier.com/v1",
        "https://API.Tradier.COM/v1/",
        "https://api.tradier.com./v1",
        "https://api.tradier.com:443/v1",
        "https://api.tradier.com:8443/v1",
        "https://%61pi.tradier.com/v1",
        "https://ws.tradier.com/v1",
        "https://tradier.com/v1",
    ] {
        assert!(BaseUrl::new(text).unwrap().is_production(), "{text}");
    }
    for text in
        [BaseUrl::SANDBOX, "https://SANDBOX.tradier.com./v1", "http://127.0.0.1:8080/v1", "https://nottradier.com/v1"]
    {
        let url = BaseUrl::new(text).unwrap();
        assert!(!url.is_production(), "{text}");
        assert_eq!(url.is_sandbox(), text.to_ascii_lowercase().contains("//sandbox."), "{text}");
    }
}

// proves: DESK-5
#[test]
fn plain_http_is_for_loopback_only() {
    for text in ["http://127.0.0.1:80/v1", "http://127.8.9.1/v1", "http://localhost:1/v1", "http://[::1]:9/v1"] {
        assert!(BaseUrl::new(text).is_ok(), "{text}");
    }
    for text in [
        "http://api.tradier.com/v1",
        "http://10.0.0.1/v1",
        "http://localhost.example/v1",
        "http://127.0.0.1.example/v1",
        "http://0.0.0.0/v1",
    ] {
        let error = BaseUrl::new(text).unwrap_err();
        assert!(error.to_string().contains("https"), "{text}: {error}");
    }
}

#[test]
fn what_is_no_base_url_is_refused() {
    for text in [
        "",
        "sandbox.tradier.com/v1",
        "ftp://sandbox.tradier.com/v1",
        "https://sandbox.tradier.com",
        "https://sandbox.tradier.com/",
        "https://user:secret@sandbox.tradier.com/v1",
        "https://secret@sandbox.tradier.com/v1",
        "https://sandbox.tradier.com/v1?token=secret",
        "https://sandbox.tradier.com/v1#x",
    ] {
        let error = BaseUrl::new(text).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn paths_go_below_the_version() {
    let url = BaseUrl::new("http://127.0.0.1:1/v1/").unwrap().join("markets/clock", Some("a=b"));
    assert_eq!(url.as_str(), "http://127.0.0.1:1/v1/markets/clock?a=b");
}

#[test]
fn time_outs_must_nest() {
    assert_eq!(config().check(), Ok(()));
    let second = Duration::from_secs(1);
    for config in [
        config().with_connect_timeout(Duration::ZERO),
        config().with_request_timeout(second),
        config().with_call_timeout(second),
        config().with_connect_timeout(second * 8),
    ] {
        assert!(matches!(config.check(), Err(ConfigError::Timeouts { .. })));
    }
}

#[test]
fn the_documented_limits_are_limits_everywhere() {
    for base in [BaseUrl::SANDBOX, "https://api.tradier.com/v1", "http://127.0.0.1:1/v1"] {
        let credentials = Credentials::new(AccountId::new("VA1").unwrap(), "a-token-that-is-long".into()).unwrap();
        let config = TradierConfig::new(BaseUrl::new(base).unwrap(), credentials);
        assert!(config.with_documented_limits(backstop_rate_limiter::Start::Probe).is_ok(), "{base}");
    }
}
