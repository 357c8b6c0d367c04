//! Faults on the connection to the plug-in: every call ends, with the right error, in time.

use crate::fake_plugin::{Fake, request};
use serde_json::{Value, json};

#[tokio::test]
async fn a_call_is_answered() {
    let fake = Fake::new().await;
    let gimp = fake.gimp();
    let plugin = async {
        let mut conn = fake.accept().await;
        let call = conn.next().await.unwrap();
        assert_eq!(call["params"]["operation"], "echo");
        assert_eq!(call["params"]["client"], json!({"id": "c", "name": "test"}));
        let arguments: Value = call["params"]["arguments"].clone();
        conn.answer(&call, arguments).await;
        conn
    };
    let (_conn, answer) = tokio::join!(plugin, gimp.call(request("echo", 7)));
    assert_eq!(answer.unwrap()["n"], 7);
}
