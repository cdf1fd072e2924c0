//! A registry of a site's own: behind the site's proxy, with a certificate of the site's authority.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use runner_tests::backends::registry::Registry;
use runner_tests::{TestEnv, guests, variant};

/// A proxy that takes everybody to one place, whatever was asked for. Answers its address, and what it was asked for.
fn proxy(to: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("it listens"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let (to, heard) = (to.clone(), heard.clone());
            thread::spawn(move || drop(tunnel(client, &to, &heard)));
        }
    });
    (address, asked)
}

fn tunnel(mut client: TcpStream, to: &str, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    lines.read_line(&mut first)?;
    let mut line = first.clone();
    while !line.trim().is_empty() {
        line.clear();
        lines.read_line(&mut line)?;
    }
    heard.lock().unwrap().push(first.trim().to_owned());
    let server = TcpStream::connect(to)?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut out, mut into) = (server.try_clone()?, server);
    let mut back = client.try_clone()?;
    let up = thread::spawn(move || {
        drop(std::io::copy(&mut lines, &mut into));
        drop(into.shutdown(Shutdown::Write));
    });
    drop(std::io::copy(&mut out, &mut back));
    drop(back.shutdown(Shutdown::Both));
    drop(up.join());
    Ok(())
}

#[test]
fn the_sites_proxy_and_authority_hold_for_registries_too() {
    let env = TestEnv::new();
    // An authority, and the registry's certificate of it.
    let script = "
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj '/CN=the site'
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.csr -subj '/CN=plugins.site.example'
        printf 'subjectAltName=DNS:plugins.site.example\\n' > names
        openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tls.pem -days 2 -extfile names";
    env.program("sh").args(["-ec", script]).run().ok();
    let work = env.work();
    let Some(registry) = Registry::start_tls(&env, &work.join("tls.pem"), &work.join("tls.key"))
    else {
        return;
    };
    let (address, asked) = proxy(registry.host());
    let component = std::fs::read(guests::fake()).expect("the guest was built");
    let file = env.write("work/fake.wasm", variant::version(&component, "1.0.0"));
    env.runner(["plugin", "keygen", "team"]).run().ok();
    let place = "oci://plugins.site.example/fake:1.0.0";
    let publish = || {
        let call = env.runner(["plugin", "publish", place]).arg(&file);
        call.args(["--key", "team.key"]).run()
    };

    let settings = format!("[http]\nproxy = \"{address}\"\n");
    env.write("config/runner/config.toml", &settings);
    // Whoever is not vouched for by anybody we know is not talked to.
    let refused = publish();
    assert!(refused.err().contains("certificate"), "{refused}");
    refused.code(3);
    let settings = format!(
        "{settings}ca_file = \"{}\"\n",
        work.join("ca.pem").display()
    );
    env.write("config/runner/config.toml", &settings);
    publish().ok();
    let install = |more: &[&str]| {
        let call = env.runner(["plugin", "install", place]);
        call.args(["--key", "team.pub"]).args(more).run()
    };
    install(&[]).ok();
    assert_eq!(super::installed(&env).as_deref(), Some("1.0.0"));
    let heard = asked.lock().unwrap().clone();
    assert!(
        !heard.is_empty()
            && heard
                .iter()
                .all(|line| line == "CONNECT plugins.site.example:443 HTTP/1.1"),
        "{heard:?}"
    );
    // Without the proxy the name leads nowhere.
    let excepted = format!("{settings}no_proxy = \"site.example\"\n");
    env.write("config/runner/config.toml", excepted);
    install(&["--replace"]).code(3);
    assert_eq!(asked.lock().unwrap().len(), heard.len());
}
