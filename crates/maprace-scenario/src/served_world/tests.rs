//! A served file beside a vector of bytes, and what its roles do to the page cache.
