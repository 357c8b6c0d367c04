mod fake_plugin;
mod link;
mod live;
mod live_gimp;
mod vectors;
