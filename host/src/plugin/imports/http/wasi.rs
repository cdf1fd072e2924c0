//! `wasi:http/outgoing-handler`: the same requests for components that use their language's own HTTP library. Everything
//! goes through [`Outbound::exchange`]; nothing is sent from here.
//!
//! Bodies are read whole before they are sent, and answers before they are handed over: both are bounded, and what
//! is not whole cannot be looked through. Of the three timeouts the longest counts, for the whole exchange.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use ureq::http::{self, header};
use wasmtime::component::Linker;
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
};

use super::{LARGEST_BODY, Outbound};
use crate::plugin::bindings::http::{Request, Response};
use crate::plugin::bindings::types::Error;
use crate::plugin::engine::lock;
use crate::plugin::state::State;

/// Links `wasi:http/types` and `wasi:http/outgoing-handler`.
pub(in super::super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

/// What a store has for `wasi:http`.
pub(crate) struct WasiHttp {
    context: WasiHttpCtx,
    hooks: Hooks,
}

impl WasiHttp {
    pub(crate) fn new(outbound: Arc<Outbound>) -> Self {
        Self {
            context: WasiHttpCtx::new(),
            hooks: Hooks(outbound),
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.wasi_http.hooks,
            table: &mut self.table,
            ctx: &mut self.wasi_http.context,
        }
    }
}

struct Hooks(Arc<Outbound>);

type Io = Box<dyn Future<Output = Result<(), HttpError>> + Send>;

impl WasiHttpHooks for Hooks {
    /// The connection sets it.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _received: Io,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), HttpError>> + Send> {
        let outbound = self.0.clone();
        Box::new(async move {
            let request = whole(request, options).await?;
            let response = match outbound.exchange(request).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(explained(&outbound, error)),
                Err(over) => {
                    // From here the call cannot be ended; at its next step it is.
                    lock(&outbound.used).over = Some(over);
                    return Err(HttpError::ConnectionLimitReached);
                }
            };
            let done: Io = Box::new(std::future::ready(Ok(())));
            Ok((answer(response)?, done))
        })
    }
}

/// The request as `http.fetch` has it.
async fn whole(
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<Request, HttpError> {
    let (head, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() as u64 > LARGEST_BODY {
            return Err(HttpError::HttpRequestBodySize(Some(LARGEST_BODY)));
        }
    }
    let mut headers = Vec::new();
    for (name, value) in &head.headers {
        // The connection counts by itself.
        if *name == header::CONTENT_LENGTH {
            continue;
        }
        let value = value.to_str().map_err(|_| {
            HttpError::InternalError(Some(format!("the header `{name}` is not ASCII text")))
        })?;
        headers.push((name.as_str().to_owned(), value.to_owned()));
    }
    let timeout = options.and_then(|options| {
        let all = [
            options.connect_timeout,
            options.first_byte_timeout,
            options.between_bytes_timeout,
        ];
        all.into_iter().flatten().max()
    });
    Ok(Request {
        method: head.method.as_str().to_owned(),
        url: head.uri.to_string(),
        headers,
        body: bytes,
        timeout: timeout
            .map(|timeout: Duration| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        auth: None,
    })
}

fn answer(response: Response) -> Result<http::Response<WasiBody>, HttpError> {
    let mut builder = http::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        builder = builder.header(name, value);
    }
    let body = Full::new(Bytes::from(response.body))
        .map_err(|never| match never {})
        .boxed_unsync();
    builder.body(body).map_err(|_| HttpError::HttpProtocolError)
}

/// `wasi:http` has a word for a refusal and none for its reason: that goes to the operator's log.
fn explained(outbound: &Outbound, error: Error) -> HttpError {
    let (kind, message) = match error {
        Error::Denied(failure) => {
            let remedy = failure
                .remedy
                .map_or(String::new(), |remedy| format!(" ({remedy})"));
            let message = format!("{}{remedy}", failure.message);
            tracing::warn!(target: "plugin", source = outbound.bound.context.source, "{message}");
            return HttpError::HttpRequestDenied;
        }
        Error::Invalid(failure) => ("invalid", failure.message),
        Error::Failed(failure) => ("failed", failure.message),
        Error::Gone(failure) | Error::Unsupported(failure) => ("failed", failure.message),
        Error::Unavailable(passing) | Error::Exhausted(passing) => ("unavailable", passing.message),
    };
    HttpError::InternalError(Some(format!("{kind}: {message}")))
}
