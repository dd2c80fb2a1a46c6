"""What the tests of several rooms need: fixtures, people elsewhere, ways to act in between, searches for secrets."""
