use super::*;

#[test]
fn depth_counts_brackets_outside_strings_only() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(!nests_deeper_than(&nested(64), 64));
    assert!(nests_deeper_than(&nested(65), 64));
    assert!(nests_deeper_than(&"{\"a\":[".repeat(40), 64));
    assert!(!nests_deeper_than(&format!("[\"{}\"]", "[".repeat(500)), 64));
    assert!(!nests_deeper_than(&format!("[\"\\\"{}\"]", "[".repeat(500)), 64));
    assert!(nests_deeper_than(&format!("[\"\\\\\",{}", "[".repeat(64)), 64));
    assert!(!nests_deeper_than(&format!("[{}]", "[],".repeat(500)), 64));
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Move(Move),
    Stop,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Move {
    #[serde(rename = "to|target")]
    to: String,
    fast: Option<bool>,
    how: Option<How>,
    inner: Option<Inner>,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
enum How {
    Left,
    Right,
    Up,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Inner {
    depth: u8,
}

fn read(text: &str) -> Result<Kind, String> {
    let message = Message::parse(ClientMessage::Text(text), "type").map_err(|refusal| refusal.to_string())?;
    message.read("type", "The test", &mut "").map_err(|refusal| refusal.to_string())
}

fn moved(to: &str) -> Move {
    Move { to: to.into(), fast: None, how: None, inner: None }
}

#[test]
fn a_field_is_found_by_the_first_of_its_names_that_is_there() {
    assert_eq!(read(r#"{"type":"stop","to":7}"#), Ok(Kind::Stop));
    assert_eq!(read(r#"{"target":"b","type":"move"}"#), Ok(Kind::Move(moved("b"))));
    assert_eq!(read(r#"{"type":"move","target":"b","to":"a"}"#), Ok(Kind::Move(moved("a"))));
    assert_eq!(read(r#"{"type":"move","target":"b","to":null,"fast":null}"#), Ok(Kind::Move(moved("b"))));
    let whole = Move { fast: Some(true), how: Some(How::Up), inner: Some(Inner { depth: 3 }), ..moved("é") };
    let text = r#"{"type":"move","to":"\u00e9","fast":true,"how":"up","inner":{"depth":3,"x":[]},"x":{}}"#;
    assert_eq!(read(text), Ok(Kind::Move(whole)));
}

#[test]
fn what_is_wrong_is_said_by_the_name_of_the_field() {
    let said = |fields: &str| read(&format!(r#"{{"type":"move"{fields}}}"#)).unwrap_err();
    assert_eq!(said(""), "`to` is missing: it must be a string");
    assert_eq!(said(r#","target":7"#), "`target` is a number: it must be a string");
    assert_eq!(said(r#","to":"a","to":"a""#), "`to` came twice; send it once");
    assert_eq!(said(r#","to":"a","fast":"yes""#), "`fast` is a string: it must be true or false");
    assert_eq!(said(r#","to":"a","how":"down""#), "`how` must be \"left\", \"right\" or \"up\"");
    assert_eq!(said(r#","to":"a","how":[1]"#), "`how` is an array: it must be \"left\", \"right\" or \"up\"");
    assert_eq!(said(r#","to":"a","inner":"x""#), "`inner` is a string: it must be an object");
    assert_eq!(said(r#","to":"a","inner":{"depth":{}}"#), "`depth` is an object: it must be u8");
    assert_eq!(said(r#","to":"a","inner":{"depth":1e999}"#), "`depth` is out of range: it must be u8");
    assert!(said(r#","to":"\ud800""#).starts_with("The message is not valid JSON: "));
    assert!(read(r#"{"type":"fly\n"}"#).unwrap_err().starts_with("There is no message of type \"fly\" here; see"));
    let kind = read(r#"{"type":null}"#).unwrap_err();
    assert_eq!(kind, "`type` is null: it must be a string that names the kind of message");
}
