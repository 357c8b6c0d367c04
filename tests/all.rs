mod fake_plugin;
mod instances;
mod link;
mod live;
mod live_gimp;
mod vectors;
