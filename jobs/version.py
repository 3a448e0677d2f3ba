"""The version of this release. Images have no package metadata, so it is a constant; a test compares all places."""

VERSION = "0.2.0"
