# SPDX-License-Identifier: LGPL-2.1-or-later
"""certbot renews the server's certificate."""

import shutil
import subprocess

from daemons import PATIENCE, TOP
from test_reload import der, new_certificate, served


def deploy(place, lineage):
    subprocess.run([TOP / "doc/certbot-deploy-hook"], check=True, timeout=PATIENCE,
                   env={**place.env, "RENEWED_LINEAGE": str(lineage), "PGROK_GROUP": "root",
                        "PGROK_TLS_FOLDER": str(place.folder / "tls")})


def test_what_certbot_has_renewed_is_served(place):
    lineage, folder = place.folder / "live" / "a.tunnel.test", place.folder / "tls"
    lineage.mkdir(parents=True)
    folder.mkdir()
    for source, name in zip(place.certificate("*.tunnel.test"), ("fullchain.pem", "privkey.pem")):
        shutil.copy(source, lineage / name)
    deploy(place, lineage)
    cert, key = folder / "a.tunnel.test.crt", folder / "a.tunnel.test.key"
    assert key.stat().st_mode & 0o777 == 0o640
    server = place.server(f"--tls-certificate={cert}", f"--tls-key={key}", "--domain=tunnel.test")
    first = served(server.https)
    assert first == der(cert)
    for source, name in zip(new_certificate(place, "new"), ("fullchain.pem", "privkey.pem")):
        shutil.copy(source, lineage / name)
    deploy(place, lineage)
    server.wait_log("Read the certificate")
    assert served(server.https) == der(cert) != first
