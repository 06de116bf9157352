"""Made-up texts of every shape that is masked, for tests that plant them."""

from __future__ import annotations

from service.records import Shape

_SECRETS = (
    "sk-" + "a1B2" * 8,
    "sk-proj-" + "a1B2_" * 8,
    "sk_" + "live_" + "a1B2c3" * 4,
    "ik_" + "a1B2c3D4" * 5,
    "ak_" + "a1B2c3D4" * 5,
    "rk_" + "a1B2c3D4" * 5,
    "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "ghp_" + "a" * 36,
    "github_pat_" + "a1" * 20,
    "glpat-" + "a1B2" * 5,
    "xox" + "b-1234567890-abcdef",
    "AKIA" + "A" * 16,
    "AIza" + "b" * 35,
    "ya29." + "a1B2" * 8,
    "hf_" + "a1B2" * 9,
    "npm_" + "a1B2" * 9,
    "SG." + "a1B2" * 5 + "." + "c3D4" * 10,
    "dapi" + "0123456789abcdef" * 2,
    "hvs." + "a1B2" * 6,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
)
_INTRODUCED = (
    ("Bearer ", "t0ken" * 5, ""),
    ("Authorization: Basic ", "dXNlcjpwYXNz", ""),
    ("postgresql://user:", "hunter2", "@db.example/x"),
    ("redis://:", "hunter2", "@cache:6379"),
    ("Server=db;Password=", "hunter2", ";Port=1"),
    ('{"password": "', "hunter2", '"}'),
    ("api_key: ", "zq8d7f", ""),
    ("AWS_SECRET_ACCESS_KEY=", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""),
    (
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n",
        "MIIEpQIBAAKCAQEA",
        "\n-----END RSA PRIVATE KEY-----",
    ),
)
_OTHERS: tuple[tuple[Shape, str], ...] = (
    ("email", "jane.doe+x@mail.example.co.uk"),
    ("email", "jürgen@müller.de"),
    ("card", "4111111111111111"),
    ("card", "4111 1111 1111 1111"),
    ("card", "5500-0055-5555-5559"),
    ("card", "3782 822463 10005"),
    ("card", "6304000000000000"),
    ("phone", "+4915112345678"),
    ("phone", "+1 (415) 555-2671"),
    ("phone", "+44 20 7946 0958"),
    ("phone", "(415) 555-2671"),
    ("phone", "415-555-2671"),
    ("phone", "030 1234567"),
    ("phone", "0171/2345678"),
    ("phone", "01 23 45 67 89"),
    ("phone", "0049 30 1234567"),
)
PLANTED: list[tuple[Shape, str]] = [
    *(("secrets", text) for text in _SECRETS),  # type: ignore[list-item]
    *(("secrets", before + inner + after) for before, inner, after in _INTRODUCED),  # type: ignore[list-item]
    *_OTHERS,
]
"""A shape, and a text of it that may not be found anywhere."""
