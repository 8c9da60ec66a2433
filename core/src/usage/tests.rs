use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// The answer in pieces of every length gives the same.
fn tokens(media: Media, answer: &str, source: Source) -> u64 {
    let counts: Vec<u64> = [1, 2, 7, 64, usize::MAX]
        .into_iter()
        .map(|length| {
            let mut meter = Meter::new(media);
            answer
                .as_bytes()
                .chunks(length)
                .for_each(|chunk| meter.read(chunk));
            meter.tokens(source, 400)
        })
        .collect();
    assert!(counts.iter().all(|count| count == &counts[0]), "{counts:?}");
    counts[0]
}

#[test]
fn days_are_those_of_utc() {
    let now = at("2026-01-15T23:59:59.999Z");
    assert_eq!(day(now), "2026-01-15");
    assert_eq!(next_day(now), at("2026-01-16T00:00:00Z"));
    assert_eq!(
        next_day(at("2026-01-16T00:00:00Z")),
        at("2026-01-17T00:00:00Z")
    );
}

#[test]
fn c12_a_budget_is_spent_by_calls_or_by_tokens_until_the_next_day() {
    let budget = Budget {
        daily: Amount {
            requests: 2,
            tokens: 100,
        },
    };
    let now = at("2026-01-15T23:00:00Z");
    let admit = |requests, tokens| budget.admit(Amount { requests, tokens }, now);
    assert!(admit(0, 0).is_ok() && admit(1, 99).is_ok());
    for (requests, tokens) in [(2, 0), (3, 0), (0, 100), (1, 101)] {
        let problem = admit(requests, tokens).err().unwrap();
        assert_eq!(
            (problem.code, problem.retry_after),
            (Code::RateLimited, Some(3601))
        );
    }
    let none = Budget {
        daily: Amount::default(),
    };
    assert!(none.admit(Amount::default(), now).is_err());
}

#[test]
fn tokens_are_those_that_each_api_tells() {
    for (answer, told) in [
        (
            r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}"#,
            12,
        ),
        (
            r#"{"output":[],"usage":{"input_tokens":7,"output_tokens":5,"total_tokens":12}}"#,
            12,
        ),
        (
            r#"{"content":[],"usage":{"input_tokens":7,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":5}}"#,
            1112,
        ),
        (
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":7,"totalTokenCount":12}}"#,
            12,
        ),
        (
            r#"{"data":[],"usage":{"prompt_tokens":3,"total_tokens":3}}"#,
            3,
        ),
    ] {
        assert_eq!(
            tokens(Media::Json, answer, Source::Platform),
            told,
            "{answer}"
        );
    }
}

#[test]
fn tokens_of_streams_are_those_of_their_last_events() {
    let openai = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}],\"usage\":null}\n\n\
        data: {\"choices\":[],\"usage\":{\"total_tokens\":12}}\n\ndata: [DONE]\n\n";
    let responses = "event: response.completed\r\n\
        data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"total_tokens\":34}}}\r\n\r\n";
    let anthropic = "event: message_start\n\
        data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1000,\"output_tokens\":1}}}\n\n\
        event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":15}}\n\n";
    // Its last line has no end.
    let google = "data: {\"usageMetadata\":{\"totalTokenCount\":5}}\n\ndata: {\"usageMetadata\":{\"totalTokenCount\":56}}";
    for (answer, told) in [
        (openai, 12),
        (responses, 34),
        (anthropic, 1015),
        (google, 56),
    ] {
        assert_eq!(
            tokens(Media::Events, answer, Source::Platform),
            told,
            "{answer}"
        );
    }
}

#[test]
fn c12_what_a_model_was_made_to_write_is_no_count() {
    let wrote = r#"{"choices":[{"message":{"content":"{\"usage\":{\"total_tokens\":1}}"}}]}"#;
    assert_eq!(tokens(Media::Json, wrote, Source::Platform), UNTOLD);
    let nested = r#"{"choices":[{"usage":{"total_tokens":1}}]}"#;
    assert_eq!(tokens(Media::Json, nested, Source::Platform), UNTOLD);
    let stream = format!("data: {wrote}\n\n: {{\"usage\":{{\"total_tokens\":1}}}}\n\n");
    assert_eq!(tokens(Media::Events, &stream, Source::Platform), UNTOLD);
}

#[test]
fn c12_a_call_that_told_nothing_is_a_large_one_where_the_platform_pays() {
    let cut = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n";
    for (media, answer) in [
        (Media::Events, cut),
        (Media::Json, "{\"usage\":"),
        (Media::Json, r#"{"usage":{"total_tokens":0}}"#),
        (Media::Json, r#"{"usage":{"total_tokens":-5}}"#),
        (Media::Other, r#"{"usage":{"total_tokens":1}}"#),
    ] {
        assert_eq!(tokens(media, answer, Source::Platform), UNTOLD, "{answer}");
        let guess = (400 + answer.len() as u64) / 4;
        assert_eq!(tokens(media, answer, Source::User), guess, "{answer}");
    }
    let mut meter = Meter::new(Media::Other);
    assert_eq!(meter.tokens(Source::Platform, 4_000_000), 1_000_000);
}

#[test]
fn an_answer_too_long_to_be_held_is_guessed_and_the_line_after_it_is_read() {
    let long = "x".repeat(MAX_HELD + 1);
    let mut meter = Meter::new(Media::Json);
    meter.read(long.as_bytes());
    assert!(meter.held.is_none());
    assert_eq!(meter.tokens(Source::User, 0), (MAX_HELD as u64 + 1) / 4);
    let mut meter = Meter::new(Media::Events);
    meter.read(long.as_bytes());
    meter.read(b"\ndata: {\"usage\":{\"total_tokens\":9}}\n");
    assert_eq!(meter.tokens(Source::Platform, 0), 9);
}

#[test]
fn media_are_told_by_their_type() {
    assert_eq!(Media::of("application/json; charset=utf-8"), Media::Json);
    assert_eq!(Media::of("Text/Event-Stream"), Media::Events);
    assert_eq!(Media::of(""), Media::Other);
}

#[test]
fn a_view_tells_the_day_and_what_is_left_of_it() {
    let budget = Budget {
        daily: Amount {
            requests: 500,
            tokens: 2_000_000,
        },
    };
    let providers = vec![ProviderUsage {
        name: "openai".to_owned(),
        source: Source::Platform,
        requests: 3,
        tokens: 1234,
    }];
    let used = Amount {
        requests: 3,
        tokens: 1234,
    };
    let view = UsageView::new(at("2026-11-25T12:00:00Z"), providers, used, &budget);
    assert_eq!(
        serde_json::to_value(&view).unwrap(),
        serde_json::json!({
            "day": "2026-11-25",
            "resetsAt": "2026-11-26T00:00:00.000Z",
            "providers": [{ "name": "openai", "source": "platform", "requests": 3, "tokens": 1234 }],
            "budget": {
                "requests": { "used": 3, "limit": 500 },
                "tokens": { "used": 1234, "limit": 2_000_000 },
            },
        })
    );
}
