use super::super::card::tests::at;
use super::super::suspension::{Sites, Span};
use super::*;

fn opened(scope: Scope, sites: Sites) -> ProgrammeEvent {
    let span = Span { from: at("2024-05-11T16:00:00Z"), to: None };
    ProgrammeEvent::SuspensionOpened(ServiceSuspension {
        scope,
        sites,
        reason: 1,
        span,
        note: String::new(),
    })
}

fn programme(events: Vec<ProgrammeEvent>) -> Programme {
    let dated =
        (1..).zip(events).map(|(seq, event)| Dated { seq, at: at("2024-05-01T00:00:00Z"), event });
    Programme::from_events(Arc::default(), dated.collect())
}

#[test]
fn a_suspension_holds_at_its_sites_until_it_is_closed() {
    let some = Sites::Some(vec!["Yokohama".into()]);
    let closed = ProgrammeEvent::SuspensionClosed { number: 1, to: at("2024-05-11T18:00:00Z") };
    let programme = programme(vec![opened(Scope::Service, some), closed]);
    assert_eq!(programme.place("Yokohama", at("2024-05-11T15:59:59Z")), Place::Open);
    assert_eq!(programme.place("Yokohama", at("2024-05-11T16:00:00Z")), Place::Suspended);
    assert_eq!(programme.place("Kobe", at("2024-05-11T16:00:00Z")), Place::Open);
    assert_eq!(programme.place("Yokohama", at("2024-05-11T18:00:00Z")), Place::Open);
    assert!(!programme.is_site_down(at("2024-05-11T16:00:00Z")));
}

#[test]
fn a_suspended_site_leaves_charging_alone_and_a_free_opening_beats_a_suspension() {
    let span = Span { from: at("2024-05-11T16:00:00Z"), to: None };
    let free = ProgrammeEvent::FreeOpeningOpened(FreeOpening {
        sites: Sites::All,
        span,
        note: String::new(),
    });
    let site = programme(vec![opened(Scope::Site, Sites::All)]);
    assert!(site.is_site_down(at("2024-06-01T00:00:00Z")));
    assert_eq!(site.place("Kobe", at("2024-06-01T00:00:00Z")), Place::Open);
    let both = programme(vec![opened(Scope::Both, Sites::All), free]);
    assert_eq!(both.place("Kobe", at("2024-06-01T00:00:00Z")), Place::Free);
}
