//! The plug-in's files, embedded in the binary, and how they get into a profile.
