"""What somebody who means harm would try, one test an attack. Beside these: tokens in tests/accounts, forged proxies'
headers in tests/lumi/test_limits.py, models made in bad faith in tests/gallery/test_upload.py."""
