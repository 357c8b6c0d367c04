//! A form with files, as upload endpoints take them (multipart/form-data, RFC 7578).

use super::Request;
use bytes::Bytes;
use uuid::Uuid;

/// Fields in the order in which they were added.
pub struct Form {
    boundary: String,
    body: Vec<u8>,
}

impl Form {
    pub fn begin() -> Form {
        // Random, so that it is in none of the files.
        Form { boundary: format!("gimp-bridge-{}", Uuid::new_v4().simple()), body: Vec::new() }
    }

    pub fn text(&mut self, name: &str, value: &str) {
        self.part(name, "", value.as_bytes());
    }

    pub fn png(&mut self, name: &str, file: &str, bytes: &[u8]) {
        self.part(name, &format!("; filename=\"{}\"\r\nContent-Type: image/png", quoted(file)), bytes);
    }

    fn part(&mut self, name: &str, more: &str, bytes: &[u8]) {
        let head =
            format!("--{}\r\nContent-Disposition: form-data; name=\"{}\"{more}\r\n\r\n", self.boundary, quoted(name));
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(bytes);
        self.body.extend_from_slice(b"\r\n");
    }

    pub fn post(mut self, path: impl Into<String>) -> Request {
        self.body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        let kind = format!("multipart/form-data; boundary={}", self.boundary);
        Request::post(path, kind, Bytes::from(self.body))
    }
}

/// A name within quotes, as browsers write it.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_written_as_browsers_write_it() {
        let mut form = Form::begin();
        form.text("a\"b", "one\r\ntwo");
        form.png("image", "x.png", b"\x89PNG\r\n");
        let boundary = form.boundary.clone();
        let request = form.post("/upload");
        let (kind, body) = request.body.unwrap();
        assert_eq!(kind, format!("multipart/form-data; boundary={boundary}"));
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"a%22b\"\r\n\r\none\r\ntwo\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"image\"; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\n"
        );
        let end = format!("\r\n--{boundary}--\r\n");
        assert_eq!(body, [expected.as_bytes(), b"\x89PNG\r\n", end.as_bytes()].concat());
    }
}
