"""What the acceptance tests are written with: phones, audio checks, SIP ladder, report."""
