"""What plugin authors build and test with: the base of every vendor sandbox."""
