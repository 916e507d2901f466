//! HTTP/1.1 requests and answers on a stream of bytes, bounded in size.

use std::io::{self, Read, Write};

/// Longest request line with headers, in bytes.
const HEAD_MAX: usize = 16 * 1024;
/// Longest request body, in bytes.
const BODY_MAX: usize = 1024 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) method: String,
    /// Path with query, undecoded.
    pub(crate) target: String,
    pub(crate) authorization: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) body: Vec<u8>,
    /// The client wants to go on with this connection.
    pub(crate) keep_alive: bool,
}

/// Why no further request can be read.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection is gone, or was silent for too long.
    Gone,
    /// What came is not HTTP or too large; the status and reason to answer before closing.
    Malformed(u16, &'static str),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Reads the next request. `buffer` keeps what came beyond it.
pub(crate) fn read_request(
    stream: &mut (impl Read + Write),
    buffer: &mut Vec<u8>,
) -> Result<Message, Broken> {
    loop {
        if let Some((head, mut message)) = parse_head(buffer)? {
            buffer.drain(..head.length);
            if head.expects && buffer.len() < head.body {
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                stream.flush()?;
            }
            while buffer.len() < head.body {
                fill(stream, buffer)?;
            }
            message.body = buffer.drain(..head.body).collect();
            return Ok(message);
        }
        if buffer.len() >= HEAD_MAX {
            return Err(Broken::Malformed(431, "request head too large"));
        }
        fill(stream, buffer)?;
    }
}

struct Head {
    length: usize,
    body: usize,
    expects: bool,
}

fn parse_head(buffer: &[u8]) -> Result<Option<(Head, Message)>, Broken> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(buffer) {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_MAX => length,
        Ok(httparse::Status::Complete(_)) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Broken::Malformed(431, "request head too large"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Broken::Malformed(400, "not an HTTP/1.1 request")),
    };
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(Broken::Malformed(400, "not an HTTP/1.1 request"));
    };
    let mut head = Head {
        length,
        body: 0,
        expects: false,
    };
    let mut message = Message {
        method: method.to_owned(),
        target: target.to_owned(),
        authorization: None,
        host: None,
        body: Vec::new(),
        keep_alive: version == 1,
    };
    for header in request.headers.iter() {
        let value = String::from_utf8_lossy(header.value).trim().to_owned();
        let is = |name| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            head.body = match value.parse() {
                Ok(length) if length <= BODY_MAX => length,
                Ok(_) => return Err(Broken::Malformed(413, "request body too large")),
                Err(_) => return Err(Broken::Malformed(400, "content-length is not a number")),
            };
        } else if is("transfer-encoding") {
            return Err(Broken::Malformed(411, "send a content-length"));
        } else if is("connection") && value.eq_ignore_ascii_case("close") {
            message.keep_alive = false;
        } else if is("expect") && value.eq_ignore_ascii_case("100-continue") {
            head.expects = true;
        } else if is("authorization") {
            message.authorization = Some(value);
        } else if is("host") {
            message.host = Some(value);
        }
    }
    Ok(Some((head, message)))
}

fn fill(stream: &mut impl Read, buffer: &mut Vec<u8>) -> Result<(), Broken> {
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return Err(Broken::Gone),
            Ok(count) => {
                buffer.extend_from_slice(&chunk[..count]);
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// An answer as it goes over the wire.
pub(crate) fn answer_text(status: u16, body: &str, keep_alive: bool) -> String {
    let connection = if keep_alive { "keep-alive" } else { "close" };
    let mut text = format!(
        "HTTP/1.1 {status} {}\r\nConnection: {connection}\r\n",
        reason(status)
    );
    if status == 401 {
        text.push_str("WWW-Authenticate: Basic realm=\"REST\"\r\n");
    }
    if status == 204 {
        text.push_str("\r\n");
    } else {
        let kind = match body.bytes().next() {
            Some(b'{') => "application/json",
            Some(b'<') => "text/html",
            _ => "text/plain",
        };
        text.push_str(&format!(
            "Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        text.push_str(body);
    }
    text
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Answer",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A stream that gives its input in pieces of a few bytes and keeps what is written.
    struct Pieces {
        input: Vec<u8>,
        piece: usize,
        output: Vec<u8>,
    }

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.piece.min(self.input.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.input[..count]);
            self.input.drain(..count);
            Ok(count)
        }
    }

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.output.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pieces(input: &[u8], piece: usize) -> Pieces {
        Pieces {
            input: input.to_vec(),
            piece,
            output: Vec::new(),
        }
    }

    #[test]
    fn two_requests_in_a_row_come_out_whole_however_they_are_cut() {
        let text = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n{\"a\"GET /b?c HTTP/1.1\r\nConnection: close\r\n\r\n";
        for piece in 1..=text.len() {
            let (mut stream, mut buffer) = (pieces(text, piece), Vec::new());
            let first = read_request(&mut stream, &mut buffer).unwrap();
            assert_eq!(
                (first.target.as_str(), first.body.as_slice()),
                ("/a", &b"{\"a\""[..])
            );
            assert!(first.keep_alive);
            let second = read_request(&mut stream, &mut buffer).unwrap();
            assert_eq!((second.target.as_str(), second.keep_alive), ("/b?c", false));
            assert!(matches!(
                read_request(&mut stream, &mut buffer),
                Err(Broken::Gone)
            ));
        }
    }

    #[test]
    fn requests_without_bounds_are_refused() {
        let long = [b"GET /", vec![b'a'; 2 * HEAD_MAX].as_slice()].concat();
        let many = [
            b"GET / HTTP/1.1\r\n".as_slice(),
            &b"a: b\r\n".repeat(65),
            b"\r\n",
        ]
        .concat();
        let cases: [(&[u8], u16); 6] = [
            (&long, 431),
            (&many, 431),
            (b"POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", 413),
            (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
            (
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                411,
            ),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", 400),
        ];
        for (text, expected) in cases {
            match read_request(&mut pieces(text, 1000), &mut Vec::new()) {
                Err(Broken::Malformed(status, _)) => assert_eq!(status, expected, "{text:?}"),
                other => panic!("{other:?} for {text:?}"),
            }
        }
    }

    #[test]
    fn a_client_that_waits_for_leave_gets_it() {
        let text = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}";
        let mut stream = pieces(text, text.len() - 2);
        let message = read_request(&mut stream, &mut Vec::new()).unwrap();
        assert_eq!(message.body, b"{}");
        assert_eq!(stream.output, b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    /// A real request with a few bytes changed, or anything.
    fn nearly_requests() -> impl Strategy<Value = Vec<u8>> {
        let real = b"POST /api/v4/x?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{}";
        let change = (0..real.len(), any::<u8>());
        let changed = proptest::collection::vec(change, 0..5).prop_map(|changes| {
            let mut bytes = real.to_vec();
            for (place, byte) in changes {
                bytes[place] = byte;
            }
            bytes
        });
        prop_oneof![changed, proptest::collection::vec(any::<u8>(), 0..500)]
    }

    proptest! {
        #[test]
        fn no_input_is_too_strange_and_no_cut_changes_the_outcome(
            bytes in nearly_requests(),
            piece in 1_usize..64,
        ) {
            let read = |piece| {
                let (mut stream, mut buffer) = (pieces(&bytes, piece), Vec::new());
                let mut requests = Vec::new();
                let end = loop {
                    match read_request(&mut stream, &mut buffer) {
                        Ok(request) => requests.push(request),
                        Err(Broken::Gone) => break None,
                        Err(Broken::Malformed(status, _)) => break Some(status),
                    }
                };
                (requests, end)
            };
            prop_assert_eq!(read(piece), read(bytes.len().max(1)));
        }
    }
}
