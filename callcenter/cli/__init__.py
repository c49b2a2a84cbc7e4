"""Commands of ``callcenter``, one module each."""
