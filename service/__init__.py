"""The front end: takes requests over REST, hands them over as jobs, shows how far they have come."""
