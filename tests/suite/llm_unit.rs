//! Hub, replay, scripted model and broken model files.
