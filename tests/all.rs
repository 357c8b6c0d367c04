mod fake_plugin;
mod link;
mod vectors;
