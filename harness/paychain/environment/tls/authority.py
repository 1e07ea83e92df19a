"""A certificate authority made for one run, and what makes the usual runtimes trust it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from paychain.processes.files import write_atomically

CERTIFICATE, TRUST_STORE = "paychain-ca.pem", "paychain-ca.p12"
STORE_PASSWORD = "changeit"  # noqa: S105  (Java's own default; the store holds no secret)
LASTS = timedelta(days=2)
CLOCK_SKEW = timedelta(hours=1)  # a service's container may be behind


class Authority:
    """Signs certificates for names and addresses. Its key never leaves this process."""

    def __init__(self, name: str = "paychain run") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self.certificate = (
            _builder(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        """The certificate, as a service that is started by hand has to trust it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, names: tuple[str, ...]) -> str:
        """A key and a certificate for these host names and addresses, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        certificate = (
            _builder(subject, self._name, key)
            .add_extension(
                x509.SubjectAlternativeName([_general(name) for name in names]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(server, critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return private.decode() + certificate.public_bytes(serialization.Encoding.PEM).decode()

    def publish(self, folder: Path) -> dict[str, str]:
        """Write the certificate where services find it; the variables that make them trust it.

        As PEM for most runtimes, as PKCS #12 for Java. A client with a bundle of its own
        (stripe-python, braintree-python) takes the PEM by its own setting.
        """
        pem, store = folder / CERTIFICATE, folder / TRUST_STORE
        write_atomically(pem, self.pem)
        certificates = [pkcs12.PKCS12Certificate(self.certificate, b"paychain")]
        encrypted = (
            serialization.PrivateFormat.PKCS12.encryption_builder()
            .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
            .hmac_hash(hashes.SHA256())
            .build(STORE_PASSWORD.encode())
        )
        store.write_bytes(pkcs12.serialize_java_truststore(certificates, encrypted))
        java = (
            f"-Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStoreType=PKCS12 "
            f"-Djavax.net.ssl.trustStorePassword={STORE_PASSWORD}"
        )
        return {
            "PAYCHAIN_CA": str(pem),
            "SSL_CERT_FILE": str(pem),  # OpenSSL, Go, Ruby, httpx
            "REQUESTS_CA_BUNDLE": str(pem),  # Python's requests
            "CURL_CA_BUNDLE": str(pem),
            "NODE_EXTRA_CA_CERTS": str(pem),
            "JAVA_TOOL_OPTIONS": java,
        }


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LASTS)
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
