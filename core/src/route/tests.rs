use super::*;

fn asset() -> Asset {
    Asset::from_bytes([9; 32])
}

#[test]
fn every_route_of_the_interface_is_found() {
    let base = format!("/v1/agents/{}", asset());
    let id = SnapshotId::from_random([1; 16]);
    let session = SessionId::from_random([2; 16]);
    let cases = [
        ("GET", "/healthz".to_owned(), AppRoute::Health),
        ("HEAD", "/v1/openapi.json".to_owned(), AppRoute::Description),
        ("POST", "/v1/auth/challenge".to_owned(), AppRoute::Challenge),
        ("POST", "/v1/auth/verify".to_owned(), AppRoute::Verify),
        ("GET", "/v1/auth/session".to_owned(), AppRoute::Session),
        ("POST", "/v1/auth/logout".to_owned(), AppRoute::Logout),
        (
            "GET",
            base.clone(),
            AppRoute::Agent(asset(), AgentRoute::Status),
        ),
        (
            "POST",
            format!("{base}/start"),
            AppRoute::Agent(asset(), AgentRoute::Start),
        ),
        (
            "POST",
            format!("{base}/stop"),
            AppRoute::Agent(asset(), AgentRoute::Stop),
        ),
        (
            "POST",
            format!("{base}/restart"),
            AppRoute::Agent(asset(), AgentRoute::Restart),
        ),
        (
            "GET",
            format!("{base}/events"),
            AppRoute::Agent(asset(), AgentRoute::Events),
        ),
        (
            "POST",
            format!("{base}/open"),
            AppRoute::Agent(asset(), AgentRoute::Open),
        ),
        (
            "GET",
            format!("{base}/snapshots"),
            AppRoute::Agent(asset(), AgentRoute::ListSnapshots),
        ),
        (
            "POST",
            format!("{base}/snapshots"),
            AppRoute::Agent(asset(), AgentRoute::TakeSnapshot),
        ),
        (
            "POST",
            format!("{base}/snapshots/{id}/restore"),
            AppRoute::Agent(asset(), AgentRoute::RestoreSnapshot(id)),
        ),
        (
            "GET",
            format!("{base}/snapshots/{id}"),
            AppRoute::Agent(asset(), AgentRoute::DownloadSnapshot(id)),
        ),
        (
            "DELETE",
            format!("{base}/snapshots/{id}"),
            AppRoute::Agent(asset(), AgentRoute::DeleteSnapshot(id)),
        ),
        (
            "GET",
            format!("{base}/logs"),
            AppRoute::Agent(asset(), AgentRoute::Logs),
        ),
        (
            "GET",
            format!("{base}/wakes"),
            AppRoute::Agent(asset(), AgentRoute::Wakes),
        ),
        (
            "GET",
            format!("{base}/secrets"),
            AppRoute::Agent(asset(), AgentRoute::ListSecrets),
        ),
        (
            "PUT",
            format!("{base}/secrets/openai"),
            AppRoute::Agent(asset(), AgentRoute::PutSecret(SecretName::OpenAi)),
        ),
        (
            "DELETE",
            format!("{base}/secrets/openai"),
            AppRoute::Agent(asset(), AgentRoute::DeleteSecret(SecretName::OpenAi)),
        ),
        (
            "POST",
            format!("{base}/secrets/import"),
            AppRoute::Agent(asset(), AgentRoute::ImportSecrets),
        ),
        (
            "PUT",
            format!("{base}/secrets/telegram"),
            AppRoute::Agent(asset(), AgentRoute::PutSecret(SecretName::Telegram)),
        ),
        (
            "GET",
            format!("{base}/settings"),
            AppRoute::Agent(asset(), AgentRoute::Settings),
        ),
        (
            "PUT",
            format!("{base}/settings"),
            AppRoute::Agent(asset(), AgentRoute::PutSettings),
        ),
        (
            "GET",
            format!("{base}/wallet"),
            AppRoute::Agent(asset(), AgentRoute::Wallet),
        ),
        (
            "GET",
            format!("{base}/wallet/transactions"),
            AppRoute::Agent(asset(), AgentRoute::ListTransactions),
        ),
        (
            "POST",
            format!("{base}/wallet/transactions"),
            AppRoute::Agent(asset(), AgentRoute::PrepareTransaction),
        ),
        (
            "POST",
            format!("{base}/wallet/transactions/send"),
            AppRoute::Agent(asset(), AgentRoute::SendTransaction),
        ),
        (
            "GET",
            "/v1/auth/sessions".to_owned(),
            AppRoute::ListSessions,
        ),
        (
            "DELETE",
            "/v1/auth/sessions".to_owned(),
            AppRoute::EndAllSessions,
        ),
        (
            "DELETE",
            format!("/v1/auth/sessions/{session}"),
            AppRoute::EndSession(session),
        ),
        (
            "DELETE",
            format!("{base}/channels/slack/people/U024BE7LH"),
            AppRoute::Agent(
                asset(),
                AgentRoute::ShutOut(PairingId::parse("slack-U024BE7LH").unwrap()),
            ),
        ),
        ("POST", "/hooks/solana".to_owned(), AppRoute::SolanaHook),
        ("GET", "/".to_owned(), AppRoute::Console),
        ("HEAD", "/main.js".to_owned(), AppRoute::Console),
    ];
    for (method, path, route) in cases {
        assert_eq!(AppRoute::find(method, &path), Ok(route), "{method} {path}");
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    assert_eq!(
        AppRoute::find("GET", "/v1/auth/challenge"),
        Err(RouteError::Method("POST".to_owned()))
    );
    assert_eq!(
        AppRoute::find("POST", "/"),
        Err(RouteError::Method("GET, HEAD".to_owned()))
    );
    assert_eq!(
        AppRoute::find("get", "/v1/auth/session"),
        Err(RouteError::Method("GET".to_owned()))
    );
    assert_eq!(
        EntryRoute::find("DELETE", "/.edge/enter"),
        Err(RouteError::Method("GET, HEAD, POST".to_owned()))
    );
}

#[test]
fn strange_paths_are_refused() {
    for path in [
        "/v1",
        "/v1/",
        "/v1/auth",
        "/v1/auth/challenge/",
        "/v1//auth/challenge",
        "/hooks/x",
        "/v1/agents",
        "/v1/%61uth/session",
    ] {
        assert!(AppRoute::find("GET", path).is_err(), "{path}");
    }
    let Err(RouteError::Problem(problem)) = AppRoute::find("GET", "/v1/agents/0OIl") else {
        panic!("accepted")
    };
    assert_eq!(problem.field.as_deref(), Some("asset"));
    let unknown = format!("/v1/agents/{}/secrets/gateway", asset());
    let Err(RouteError::Problem(problem)) = AppRoute::find("PUT", &unknown) else {
        panic!("accepted")
    };
    assert_eq!(problem.code, Code::NotFound);
    for kind in &CATALOGUE {
        assert!(problem.detail.contains(kind.text));
    }
    for (channel, person, code) in [
        ("telegram", "7", Code::NotFound),
        ("slack", "7", Code::InvalidField),
        ("slack", "", Code::InvalidField),
        ("discord", "U024BE7LH", Code::InvalidField),
        ("discord", "07", Code::InvalidField),
    ] {
        let path = format!("/v1/agents/{}/channels/{channel}/people/{person}", asset());
        let Err(RouteError::Problem(problem)) = AppRoute::find("DELETE", &path) else {
            panic!("accepted {path}")
        };
        assert_eq!(problem.code, code, "{path}");
        let field = (code == Code::InvalidField).then_some("person");
        assert_eq!(problem.field.as_deref(), field, "{path}");
    }
    assert!(EntryRoute::find("GET", "/.edge/other").is_err());
    assert_eq!(
        EntryRoute::find("TRACE", "/anything"),
        Ok(EntryRoute::Proxy)
    );
}

#[test]
fn c17_our_paths_are_nobodys_in_another_spelling() {
    for path in [
        "/.edge",
        "/.edge;a/enter",
        "//.edge/enter",
        "/.EDGE/enter",
        "/%2eedge/enter",
        "/.%65dge/enter",
        "/.edge%2fenter",
        "/.edge%5center",
        "/.edge%00/enter",
        "/%20.edge/enter",
        "/.edge%3Fx",
        "/%2E/.edge/enter",
    ] {
        assert!(EntryRoute::find("GET", path).is_err(), "{path}");
    }
    for path in [
        "/",
        "/.edges/x",
        "/x/.edge/enter",
        "/edge/enter",
        "/%",
        "/%zz",
        "/%2",
        "/\u{e9}%e9",
    ] {
        assert_eq!(
            EntryRoute::find("GET", path),
            Ok(EntryRoute::Proxy),
            "{path}"
        );
    }
}
