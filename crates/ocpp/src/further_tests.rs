use super::*;
use crate::command::StationCommand;
use crate::protocol::Protocol;

#[test]
fn each_is_worded_as_its_version_wants_or_is_not_in_it() {
    let at: DateTime<Utc> = "2026-11-21T00:00:00Z".parse().unwrap();
    let signed = Some(("-----BEGIN CERTIFICATE-----".to_owned(), "c2ln".to_owned()));
    let firmware = |signed| Further::UpdateFirmware {
        request_id: 1,
        location: "https://x/f.bin".into(),
        retrieve_at: at,
        signed,
    };
    let log = |security| Further::UploadLog {
        request_id: 2,
        security,
        location: "https://x/up".into(),
        from: Some(at),
        until: None,
    };
    let reserve = |connector_id| Further::Reserve {
        reservation_id: 3,
        id_tag: "TAG".into(),
        connector_id,
        expires_at: at,
    };
    let message = Further::ShowMessage {
        display_id: 4,
        text: "休止中".into(),
        language: Some("ja".into()),
        from: None,
        until: Some(at),
    };
    for (command, actions) in [
        (reserve(Some(1)), [Some("ReserveNow"); 2]),
        (reserve(None), [Some("ReserveNow"); 2]),
        (Further::CancelReservation { reservation_id: 3 }, [Some("CancelReservation"); 2]),
        (firmware(None), [Some("UpdateFirmware"); 2]),
        (firmware(signed), [Some("SignedUpdateFirmware"), Some("UpdateFirmware")]),
        (log(false), [Some("GetDiagnostics"), Some("GetLog")]),
        (log(true), [Some("GetLog"); 2]),
        (Further::RenewCertificate, [Some("ExtendedTriggerMessage"), Some("TriggerMessage")]),
        (message, [None, Some("SetDisplayMessage")]),
        (Further::ClearMessage { display_id: 4 }, [None, Some("ClearDisplayMessage")]),
        (
            Further::TransactionStatus { transaction: Some("T".into()) },
            [None, Some("GetTransactionStatus")],
        ),
        (Further::TransactionStatus { transaction: None }, [None, Some("GetTransactionStatus")]),
    ] {
        for (protocol, expected) in Protocol::ALL.into_iter().zip(actions) {
            let worded = protocol.encode_command(&StationCommand::Further(command.clone()));
            assert_eq!(worded.as_ref().map(|(action, _)| *action), expected, "{command:?}");
            if let Some((action, payload)) = worded {
                assert_eq!(
                    protocol.check_command(action, payload.as_object().unwrap()),
                    Some(Ok(())),
                    "{command:?}"
                );
            }
        }
    }
}
