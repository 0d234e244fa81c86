"""nginx as docs/guides/platform.md sets it up, with a certificate of its own: browsers speak HTTP/2 to it."""

import datetime
import ipaddress
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "docker" / "nginx.conf"
START_SECONDS = 20


def find_nginx() -> str | None:
    """Its program; Debian keeps it where only root looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def run_proxy(folder: Path, port: int, upstream: int) -> Iterator[None]:
    """Serve `https://localhost:PORT` from the service on `upstream` until the block is left."""
    program = find_nginx()
    assert program is not None
    _write_certificate(folder)
    folders = "".join(
        f"  {name}_temp_path {folder};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = CONFIGURATION.read_text(encoding="utf-8")
    for written, here in (
        ("server understage:7007;", f"server 127.0.0.1:{upstream};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;"),
        ("/etc/nginx/tls/", f"{folder}/"),
        ("http {\n", f"pid {folder}/nginx.pid;\ndaemon off;\nhttp {{\n  access_log off;\n{folders}"),
    ):
        assert text.count(written) >= 1, written
        text = text.replace(written, here)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    log = folder / "nginx.log"
    process = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf", "-e", log])
    try:
        _wait_until_it_listens(process, log, port)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", log: Path, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nginx did not start:\n{log.read_text() if log.exists() else ''}")


def _write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "tls.key").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
