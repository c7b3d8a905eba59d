"""Certificates by `openssl`, which is not ours."""

import subprocess


def openssl(*arguments, text=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.file, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.key,
                "-out", self.file, "-subj", f"/CN={name}", "-days", "3")

    def issue(self, name, subject, *, kind="ec", days="2", server=False):
        """Files of a certificate and its key."""
        key, request, file, extensions = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem", "ext"))
        algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] if kind == "ec" else ["-newkey", "rsa:2048"]
        openssl("req", *algorithm, "-nodes", "-keyout", key, "-out", request, "-subj", subject)
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n" if server else "extendedKeyUsage=clientAuth\n")
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial", "-out", file, "-days", days, "-extfile", extensions)
        return file, key

    def revoke(self, *files):
        """A list of revoked certificates."""
        database, settings, target = (self.folder / f"{self.name}.{end}" for end in ("index", "cnf", "crl"))
        database.touch()
        number = self.folder / f"{self.name}.number"
        if not number.exists():
            number.write_text("01\n")
        settings.write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={database}\ndefault_md=sha256\ndefault_crl_days=3\ncrlnumber={number}\n"
                            "crl_extensions=of_list\n[of_list]\nauthorityKeyIdentifier=keyid\n")
        for file in files:
            openssl("ca", "-config", settings, "-keyfile", self.key, "-cert", self.file, "-revoke", file)
        openssl("ca", "-config", settings, "-keyfile", self.key, "-cert", self.file, "-gencrl", "-out", target)
        return target


def request(folder, name, subject, *, kind="ec"):
    """A signing request as text, and the file of its key."""
    key, file = folder / f"{name}.key", folder / f"{name}.csr"
    algorithm = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] if kind == "ec" else [kind]
    openssl("req", "-newkey", *algorithm, "-nodes", "-keyout", key, "-out", file, "-subj", subject)
    return file.read_text(), key
