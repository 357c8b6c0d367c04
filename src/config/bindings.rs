//! What the plug-in's policies bind, in words: for `gimp-bridge config` and `doctor`.

use super::Config;

/// One sentence; `loose` where a policy limits less than it seems to.
#[derive(Debug, PartialEq, Eq)]
pub struct Binding {
    pub loose: bool,
    pub text: String,
}

impl Config {
    /// What binds what, at least one sentence.
    pub fn bindings(&self) -> Vec<Binding> {
        let plugin = &self.plugin;
        let mut found = Vec::new();
        let mut say = |loose: bool, text: String| found.push(Binding { loose, text });
        match (&plugin.folders, plugin.exec) {
            (None, true) if !plugin.read_only => {
                say(false, "no policy is set: clients may run Python in GIMP and reach every file of its user".into());
            }
            (None, false) if !plugin.read_only => say(
                false,
                "plugin.exec is off: no Python, and only the procedures of the bridge's table; pictures are opened \
                 and saved in every folder (plugin.folders limits that)"
                    .into(),
            ),
            (Some(folders), exec) => {
                let names: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
                let names = if names.is_empty() { "no folder at all".into() } else { names.join(", ") };
                if exec && !plugin.read_only {
                    let text = "plugin.folders binds the operations alone: plugin.exec is on, and Python reaches every \
                                file of GIMP's user; set plugin.exec = false";
                    say(true, text.into());
                } else {
                    say(false, format!("plugin.folders binds every way to a file: only {names}"));
                }
                if let super::Origin::Because(..) = self.origin("plugin.exec") {
                    let text = "plugin.exec is off because plugin.folders is set: set plugin.exec = true in the same \
                                place to allow Python, which no folder binds";
                    say(false, text.into());
                }
            }
            _ => {}
        }
        if plugin.read_only {
            say(false, "plugin.read_only is on: nothing is changed or written, and no Python runs".into());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::*;

    fn told(change: impl FnOnce(&mut Config)) -> (bool, String) {
        let mut config = Config::default();
        change(&mut config);
        let found = config.bindings();
        assert!(!found.is_empty());
        (found.iter().any(|binding| binding.loose), found.into_iter().map(|binding| binding.text).collect())
    }

    #[test]
    fn folders_beside_python_are_told_to_limit_nothing() {
        assert!(told(|_| ()).1.contains("no policy"));
        let (loose, text) = told(|config| config.plugin.folders = Some(vec!["/pictures".into()]));
        assert!(loose && text.contains("Python reaches every file"), "{text}");
        let (loose, text) = told(|config| {
            config.plugin.folders = Some(vec!["/pictures".into()]);
            config.plugin.exec = false;
            config.origins.insert("plugin.exec", Origin::Because("plugin.folders", Box::new(Origin::Default)));
        });
        assert!(!loose && text.contains("only /pictures") && text.contains("off because plugin.folders"), "{text}");
        assert!(told(|config| config.plugin.exec = false).1.contains("every folder"));
        assert!(told(|config| config.plugin.read_only = true).1.contains("no Python runs"));
    }
}
