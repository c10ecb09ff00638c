//! A definition is more than an object: all objects of its kind go with it, whosever they are.

use serde_json::json;

use crate::api_server::{Key, Writer};
use crate::deployer::{Command, Fate};
use crate::plans::Application;
use crate::stories::on_paused_clock;
use crate::world::World;

#[test]
fn a_definition_stays_while_somebody_elses_objects_are_of_its_kind() {
    on_paused_clock(async {
        let mut world = World::even(3);
        let plan = Application::of_a_widget().plan();
        let deployed = world.run(Command::Deploy, &plan, Fate::default()).await;
        assert!(deployed.ending.is_success(), "{:?}", deployed.ending);
        let (group, namespace) = ("example.org".to_owned(), "default".to_owned());
        let theirs = Key { group, kind: "Widget".into(), namespace, name: "theirs".into() };
        let widget = json!({
            "apiVersion": "example.org/v1", "kind": "Widget",
            "metadata": {"name": "theirs", "namespace": "default"}, "spec": {},
        });
        {
            let mut store = world.server.store();
            let kind = store.kind_of(&theirs);
            store.create(&Writer { agent: "somebody", manager: "kubectl" }, &kind, &theirs, widget).unwrap();
        }
        world.run(Command::Teardown { delete_data: true }, &plan, Fate::default()).await;
        tokio::time::sleep(std::time::Duration::from_secs(600)).await;
        let store = world.server.store();
        assert!(store.objects.contains_key(&theirs), "it went with its definition");
        assert!(store.objects.keys().any(|key| key.kind == "CustomResourceDefinition"));
        assert!(!store.objects.keys().any(|key| key.name == "widget"), "ours goes");
    });
}
