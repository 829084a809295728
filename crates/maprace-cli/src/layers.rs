//! The layers that commands know by name.

use maprace_fs::ext4::Ext4Kind;
use maprace_scenario::{AnyLayer, ErrorKind, Vocabulary};

/// Names and layers, in the order in which they were added.
pub(crate) struct Layers(Vec<(String, Box<dyn AnyLayer>)>);

impl std::fmt::Debug for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Layers {
    /// ext4.
    pub(crate) fn builtin() -> Layers {
        let mut layers = Layers(Vec::new());
        layers.add("ext4", Ext4Kind);
        layers
    }

    pub(crate) fn add<K: AnyLayer + 'static>(&mut self, name: &str, kind: K) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), Box::new(kind)));
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The layer of that name.
    pub(crate) fn get(&self, name: &str) -> Result<&dyn AnyLayer, ErrorKind> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, layer)| &**layer).ok_or_else(|| ErrorKind::Unknown {
            what: "layer".into(),
            typed: name.to_owned(),
            known: self.names(),
        })
    }

    /// The names that a scenario may use.
    pub(crate) fn vocabulary(&self) -> Vocabulary {
        Vocabulary { layers: self.names(), ..Vocabulary::builtin() }
    }
}
