//! The seam to the network: one exchange with one address.
//!
//! What to ask, where to ask next and what an answer means is decided above
//! it, so that all of that can be tested on canned answers.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use secrecy::zeroize::Zeroize;

/// The methods that the API knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads; may be repeated.
    Get,
    /// Creates; never repeated blindly.
    Post,
    /// Sets a value; may be repeated.
    Put,
    /// Removes; may be repeated.
    Delete,
}

impl Method {
    /// Whether doing it twice is the same as doing it once.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::transport::Method;
    /// assert!(Method::Delete.is_idempotent());
    /// assert!(!Method::Post.is_idempotent());
    /// ```
    #[must_use]
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        })
    }
}

/// One request, without the address it goes to.
///
/// A body can hold a secret: it is not part of the `Debug` text, and is wiped
/// from memory when the request is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query below the version, percent-encoded: `/pools/Pool-0/vips`.
    pub path: String,
    /// The JSON document to send.
    pub body: Option<String>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

/// How long one exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the connection, TLS included.
    pub connect: Duration,
    /// For the answer to begin, and again for it to end.
    pub read: Duration,
    /// For everything.
    pub deadline: Instant,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The bytes of the body.
    pub body: Vec<u8>,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Nothing answered the attempt to connect.
    #[error("no TLS connection within {limit:?}")]
    ConnectTimeout {
        /// The time given.
        limit: Duration,
    },
    /// The connection was refused, or there is no way to the host.
    #[error("no connection: {}", .source.kind())]
    Connect {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The peer's certificate is not trusted.
    #[error("certificate not trusted: {detail}")]
    Certificate {
        /// What the verifier said.
        detail: String,
    },
    /// The peer does not speak TLS as expected.
    #[error("no TLS connection: {detail}")]
    Tls {
        /// What the TLS library said.
        detail: String,
    },
    /// The request may have been received, but no answer came in time.
    #[error("connected, but no answer within {limit:?}")]
    ReplyTimeout {
        /// The time given.
        limit: Duration,
    },
    /// The request may have been received, then the connection broke; or it
    /// broke while TLS was set up, which cannot be told apart.
    #[error("connection lost before the answer was complete: {}", .source.kind())]
    Broken {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The answer is not HTTP, or too large.
    #[error("unusable answer: {detail}")]
    Http {
        /// What was wrong with it.
        detail: String,
    },
}

impl TransportError {
    /// Whether the request may have reached the appliance.
    ///
    /// If so, a request that creates something must not be repeated before
    /// somebody has looked whether it was done. Also when the connection broke
    /// as soon as the request was sent: nothing tells whether it was received.
    /// (An idle connection that the appliance has closed is not used at all.)
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use jdss_rest::transport::TransportError;
    /// let limit = Duration::from_secs(2);
    /// assert!(!TransportError::ConnectTimeout { limit }.maybe_received());
    /// assert!(TransportError::ReplyTimeout { limit }.maybe_received());
    /// ```
    #[must_use]
    pub fn maybe_received(&self) -> bool {
        matches!(
            self,
            // Nothing tells whether it was the handshake that failed.
            Self::ReplyTimeout { .. } | Self::Broken { .. } | Self::Http { .. } | Self::Tls { .. }
        )
    }
}

/// Carries one request to one address and brings back what it answers.
///
/// The client brings its own, over TLS. Another one serves tests: it answers
/// from memory.
///
/// # Example
///
/// ```
/// use std::net::SocketAddr;
/// use jdss_rest::transport::{Limits, Reply, Request, Transport, TransportError};
///
/// #[derive(Debug)]
/// struct Canned;
///
/// impl Transport for Canned {
///     fn exchange(&self, _: SocketAddr, request: &Request, _: Limits) -> Result<Reply, TransportError> {
///         assert_eq!(request.path, "/pools/Pool-0");
///         let body = br#"{"data":{"name":"Pool-0","size":"10","available":"5"},"error":null}"#;
///         Ok(Reply { status: 200, body: body.to_vec() })
///     }
/// }
///
/// # use std::time::{Duration, Instant};
/// let client = jdss_rest::Client::builder(vec!["192.0.2.1".parse()?]).build_with(Canned)?;
/// let pool = client.pool("Pool-0").info(Instant::now() + Duration::from_secs(1))?;
/// assert_eq!(pool.available, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends `request` to `address` and waits for the answer, within `limits`. Never repeats it.
    ///
    /// # Errors
    ///
    /// [`TransportError`] when there is no complete answer. An answer that
    /// tells of a failure is an `Ok` whose status says so.
    fn exchange(
        &self,
        address: SocketAddr,
        request: &Request,
        limits: Limits,
    ) -> Result<Reply, TransportError>;
}
