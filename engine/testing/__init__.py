"""What plugin authors build and test with: the sandbox server base and the conformance suites."""
