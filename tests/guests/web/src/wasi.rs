//! The same requests by `wasi:http`, as a library for it would send them.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::streams::StreamError;

use crate::{Order, shown};

pub(crate) fn send(order: &Order) -> Result<String, String> {
    let (scheme, rest) = order.url.split_once("://").ok_or("no scheme")?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let headers: Vec<_> = order
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
        .collect();
    let headers = Fields::from_list(&headers).map_err(|e| format!("{e:?}"))?;
    let request = OutgoingRequest::new(headers);
    let method = match order.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    };
    request.set_method(&method).map_err(|()| "no such method")?;
    request
        .set_scheme(Some(&scheme))
        .map_err(|()| "no such scheme")?;
    request
        .set_authority(Some(authority))
        .map_err(|()| "no such host")?;
    request
        .set_path_with_query(Some(path))
        .map_err(|()| "no such path")?;
    let body = request.body().map_err(|()| "no body")?;
    let answered = outgoing_handler::handle(request, None).map_err(|e| format!("{e:?}"))?;
    if !order.body.is_empty() {
        let stream = body.write().map_err(|()| "no stream")?;
        for piece in order.body.as_bytes().chunks(4096) {
            stream
                .blocking_write_and_flush(piece)
                .map_err(|e| format!("{e:?}"))?;
        }
    }
    OutgoingBody::finish(body, None).map_err(|e| format!("{e:?}"))?;
    answered.subscribe().block();
    let response = answered.get().ok_or("no answer")?.map_err(|()| "taken")?;
    read(&response.map_err(|e| format!("{e:?}"))?)
}

fn read(response: &IncomingResponse) -> Result<String, String> {
    let headers: Vec<_> = response
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let body = response.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no stream")?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(format!("{error:?}")),
        }
    }
    let body = String::from_utf8_lossy(&bytes);
    Ok(shown(response.status(), &headers, &body))
}
