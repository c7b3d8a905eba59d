"""The OCA's test cases for central systems of OCPP 2.0.1: charging profiles, firmware, certificates (K, L, M)."""

import pytest
from ocpp.exceptions import NotSupportedError
from test_cases_station import Station, play

AT = "2026-11-21T00:00:00Z"
ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}
CHARGING, ENDED = ("transaction", "Started CablePluggedIn Charging"), ("transaction", "Ended EVCommunicationLost Idle reason:EVDisconnected")


def schedule(limit=16.0, **more):
    return {"id": 1, "chargingRateUnit": "A", "startSchedule": AT, "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit, "numberPhases": 1}], **more}


def profile(purpose, number=5, limit=16.0, **more):
    return {"id": number, "stackLevel": 1, "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute", "chargingSchedule": [schedule(limit)], **more}


def put(evse, purpose, answer=ACCEPTED, **more):
    return ("SetChargingProfile", {"evseId": evse, "chargingProfile": profile(purpose, **more)}, answer)


def cleared(answer=ACCEPTED, **which):
    return ("ClearChargingProfile", which, answer)


def wanted(answer=ACCEPTED, evse=None, **criteria):
    return ("GetChargingProfiles", {"requestId": 21, **({} if evse is None else {"evseId": evse}), "chargingProfile": criteria}, answer)


def reported(evse, *purposes, source="CSO", request=21):
    parts = [profile(purpose, number) for number, purpose in enumerate(purposes, 1)]
    place = {"requestId": request, "chargingLimitSource": source, "evseId": evse}
    return [("ReportChargingProfiles", {**place, "chargingProfile": [part], "tbc": part is not parts[-1]}) for part in parts]


def composite(evse):
    told = {"evseId": evse, "duration": 300, "scheduleStart": AT, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}]}
    return ("GetCompositeSchedule", {"evseId": evse, "duration": 300, "chargingRateUnit": "A"}, {"status": "Accepted", "schedule": told})


LIMIT = {"chargingLimit": {"chargingLimitSource": "EMS", "isGridCritical": False}, "chargingSchedule": [schedule(8.0)]}
FREED = {"chargingLimitSource": "EMS"}
RATE = ("transaction", "Updated ChargingRateChanged Charging")

PROFILES = [
    ("TC_K_01_CSMS", [put(1, "TxDefaultProfile")]),
    ("TC_K_02_CSMS", [put(1, "TxProfile", REJECTED, transactionId="T-9")]),
    ("TC_K_03_CSMS", [put(0, "ChargingStationMaxProfile")]),
    ("TC_K_04_CSMS", [put(1, "TxDefaultProfile", limit=16.0), put(1, "TxDefaultProfile", limit=8.0)]),
    ("TC_K_05_CSMS", [put(1, "TxDefaultProfile"), cleared(chargingProfileId=5)]),
    ("TC_K_06_CSMS", [put(1, "TxDefaultProfile"), cleared(chargingProfileCriteria={"stackLevel": 1, "chargingProfilePurpose": "TxDefaultProfile"})]),
    ("TC_K_08_CSMS", [cleared({"status": "Unknown"}, chargingProfileId=5)]),
    ("TC_K_10_CSMS", [put(0, "TxDefaultProfile")]),
    ("TC_K_15_CSMS", [put(1, "TxDefaultProfile", {"status": "Rejected", "statusInfo": {"reasonCode": "UnsupportedRequest"}})]),
    ("TC_K_19_CSMS", [put(1, "TxDefaultProfile", chargingProfileKind="Recurring", recurrencyKind="Daily")]),
    ("TC_K_29_CSMS", [wanted(evse=0, chargingProfilePurpose="ChargingStationMaxProfile"), *reported(0, "ChargingStationMaxProfile")]),
    ("TC_K_30_CSMS", [wanted(evse=1, chargingProfilePurpose="TxDefaultProfile"), *reported(1, "TxDefaultProfile", "TxDefaultProfile")]),
    ("TC_K_31_CSMS", [wanted(chargingProfilePurpose="TxDefaultProfile"), *reported(1, "TxDefaultProfile", "TxDefaultProfile")]),
    ("TC_K_32_CSMS", [wanted(chargingProfileId=[1]), *reported(1, "TxDefaultProfile")]),
    ("TC_K_33_CSMS", [wanted(evse=1, stackLevel=1), *reported(1, "TxDefaultProfile")]),
    ("TC_K_34_CSMS", [wanted(evse=1, chargingLimitSource=["CSO"]), *reported(1, "TxDefaultProfile")]),
    ("TC_K_35_CSMS", [wanted(evse=1, chargingProfilePurpose="TxDefaultProfile"), *reported(1, "TxDefaultProfile")]),
    ("TC_K_36_CSMS", [wanted(evse=1, chargingProfilePurpose="TxDefaultProfile", stackLevel=1), *reported(1, "TxDefaultProfile")]),
    ("TC_K_43_CSMS", [put(1, "TxDefaultProfile"), composite(1)]),
    ("TC_K_44_CSMS", [put(0, "ChargingStationMaxProfile"), composite(0)]),
    ("TC_K_48_CSMS", [("NotifyChargingLimit", LIMIT), ("NotifyChargingLimit", {**LIMIT, "evseId": 1})]),
    ("TC_K_50_CSMS", [("NotifyChargingLimit", LIMIT), ("ClearedChargingLimit", FREED)]),
    ("TC_K_51_CSMS", [CHARGING, ("NotifyChargingLimit", LIMIT), RATE, ("ClearedChargingLimit", FREED), RATE, ENDED]),
    ("TC_K_52_CSMS", [("NotifyChargingLimit", LIMIT), wanted(evse=0, chargingProfilePurpose="ChargingStationExternalConstraints"),
                      *reported(0, "ChargingStationExternalConstraints", source="EMS")]),
    ("TC_K_60_CSMS", [CHARGING, put(1, "TxProfile", transactionId="T-1"), RATE, ENDED]),
    ("TC_K_70_CSMS", [put(0, "ChargingStationMaxProfile", number=1), put(0, "TxDefaultProfile", number=2), put(1, "TxDefaultProfile", number=3, stackLevel=2),
                      CHARGING, put(1, "TxProfile", number=4, transactionId="T-1")]),
]


@pytest.mark.parametrize("case, steps", PROFILES, ids=[row[0] for row in PROFILES])
def test_profiles_and_limits_come_and_go_as_they_are(server, case, steps):
    with Station(server, "v201", case) as station:
        station.boots()
        play(station, steps)


BROKEN = [
    ("TC_K_01_CSMS", 1, profile("ChargingStationExternalConstraints")),
    ("TC_K_02_CSMS", 1, profile("TxProfile")),
    ("TC_K_03_CSMS", 1, profile("ChargingStationMaxProfile")),
    ("TC_K_19_CSMS", 1, profile("TxDefaultProfile", chargingProfileKind="Recurring")),
    ("TC_K_60_CSMS", 0, profile("TxProfile", transactionId="T-1")),
]


@pytest.mark.parametrize("case, evse, broken", BROKEN, ids=[f"{row[0]}-broken" for row in BROKEN])
def test_a_profile_that_the_standard_does_not_allow_is_not_sent(server, case, evse, broken):
    with Station(server, "v201", f"{case}-BROKEN") as station:
        refused = server.send("POST", f"/stations/{station.id}/ocpp/SetChargingProfile", {"evseId": evse, "chargingProfile": broken}, 422)
        assert "chargingProfile" in refused["detail"], refused
        assert station.get("/commands")["items"] == [] and station.recorder.came == []


@pytest.mark.parametrize("case", ["TC_K_15_CSMS"])
def test_a_station_that_knows_no_profiles_says_so_by_an_error_that_the_operator_is_shown(server, case):
    with Station(server, "v201", f"{case}-ERROR") as station:
        station.boots()
        action, payload, _ = put(1, "TxDefaultProfile")
        station.point.answers[action] = NotSupportedError("no smart charging")
        answered = server.send("POST", f"/stations/{station.id}/ocpp/{action}", payload)
        assert (answered["outcome"], answered["answer"]["error"]) == ("error", "NotSupported")
        kept = station.get("/commands?limit=1")["items"][0]
        assert (kept["payload"], kept["outcome"]) == (payload, "error") and "currentTime" in station.says("Heartbeat")


FIRMWARE = {"location": "https://example.jp/fw.bin", "retrieveDateTime": AT, "signingCertificate": "PEM", "signature": "c2ln"}


def update(request=31, answer=ACCEPTED, **more):
    return ("UpdateFirmware", {"requestId": request, "retries": 1, "retryInterval": 10, "firmware": {**FIRMWARE, **more}}, answer)


def states(*names, request=31):
    return [("FirmwareStatusNotification", {"status": name, "requestId": request}) for name in names]


def security(kind):
    return ("SecurityEventNotification", {"type": kind, "timestamp": AT})


LOADED = ("Downloading", "Downloaded", "SignatureVerified")
PUBLISH = ("PublishFirmware", {"requestId": 31, "location": "https://example.jp/fw.bin", "checksum": "d41d8cd98f00b204e9800998ecf8427e"}, ACCEPTED)


def published(*names):
    place = {"Published": {"location": ["http://local/fw.bin"]}}
    return [("PublishFirmwareStatusNotification", {"status": name, "requestId": 31, **place.get(name, {})}) for name in names]


def unpublish(status):
    return ("UnpublishFirmware", {"checksum": "d41d8cd98f00b204e9800998ecf8427e"}, {"status": status})


UPDATES = [
    ("TC_L_01_CSMS", [update(), *states(*LOADED, "Installing", "InstallRebooting"), ("boot", "FirmwareUpdate"), security("FirmwareUpdated"), *states("Installed")]),
    ("TC_L_02_CSMS", [update(installDateTime="2026-11-21T06:00:00Z"), *states(*LOADED, "InstallScheduled", "Installing", "Installed"), security("FirmwareUpdated")]),
    ("TC_L_03_CSMS", [update(retrieveDateTime="2026-11-21T06:00:00Z"), *states("DownloadScheduled", *LOADED, "Installing", "Installed")]),
    ("TC_L_04_CSMS", [update(answer={"status": "RevokedCertificate"}), security("InvalidFirmwareSigningCertificate")]),
    ("TC_L_05_CSMS", [update(answer={"status": "InvalidCertificate"}), security("InvalidFirmwareSigningCertificate")]),
    ("TC_L_06_CSMS", [update(), *states("Downloading", "Downloaded", "InvalidSignature"), security("InvalidFirmwareSignature")]),
    ("TC_L_07_CSMS", [update(), *states("Downloading", "DownloadFailed")]),
    ("TC_L_08_CSMS", [update(), *states(*LOADED, "Installing", "InstallVerificationFailed")]),
    ("TC_L_09_CSMS", [update(), *states(*LOADED, "Installing", "InstallationFailed")]),
    ("TC_L_10_CSMS", [update(), *states("Downloading"), update(32, {"status": "AcceptedCanceled"}), *states(*LOADED, "Installing", "Installed", request=32)]),
    ("TC_L_11_CSMS", [update(), *states(*LOADED, "Installing"), update(32, REJECTED), *states("Installed")]),
    ("TC_L_13_CSMS", [CHARGING, update(), *states(*LOADED, "InstallScheduled"), ("status", 2, "Unavailable"), ENDED, ("status", 1, "Unavailable"),
                      *states("Installing", "Installed"), ("status", 1, "Available"), ("status", 2, "Available")]),
    ("TC_L_17_CSMS", [PUBLISH, *published("Downloading", "Downloaded", "ChecksumVerified", "Published")]),
    ("TC_L_19_CSMS", [PUBLISH, *published("Downloading", "Downloaded", "InvalidChecksum")]),
    ("TC_L_20_CSMS", [PUBLISH, *published("Downloading", "Downloaded", "ChecksumVerified", "PublishFailed")]),
    ("TC_L_21_CSMS", [unpublish("Unpublished")]),
    ("TC_L_22_CSMS", [unpublish("NoFirmware")]),
    ("TC_L_23_CSMS", [unpublish("DownloadOngoing")]),
    ("TC_L_24_CSMS", [PUBLISH, *published("Downloading", "DownloadFailed")]),
]


@pytest.mark.parametrize("case, steps", UPDATES, ids=[row[0] for row in UPDATES])
def test_a_firmware_update_and_its_states_are_kept_with_each_other(server, case, steps):
    with Station(server, "v201", case) as station:
        station.boots()
        play(station, steps)


HASH = {"hashAlgorithm": "SHA384", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "01"}


def install(kind, answer=ACCEPTED):
    return [("InstallCertificate", {"certificateType": f"{kind}RootCertificate", "certificate": "PEM"}, answer)]


def installed(*kinds, children=(), asked=True):
    chain = [{"certificateType": kind, "certificateHashData": HASH, **({"childCertificateHashData": list(children)} if children else {})} for kind in kinds]
    return [("GetInstalledCertificateIds", {"certificateType": list(kinds)} if asked else {}, {"status": "Accepted", "certificateHashDataChain": chain})]


CERTIFICATES = [
    ("TC_M_01_CSMS", install("CSMS")),
    ("TC_M_02_CSMS", install("Manufacturer")),
    ("TC_M_03_CSMS", install("V2G")),
    ("TC_M_04_CSMS", install("MO")),
    ("TC_M_05_CSMS", install("CSMS", {"status": "Failed"})),
    ("TC_M_12_CSMS", installed("CSMSRootCertificate")),
    ("TC_M_13_CSMS", installed("ManufacturerRootCertificate")),
    ("TC_M_14_CSMS", installed("V2GRootCertificate")),
    ("TC_M_15_CSMS", installed("V2GCertificateChain", children=[{**HASH, "serialNumber": "02"}, {**HASH, "serialNumber": "03"}])),
    ("TC_M_16_CSMS", installed("MORootCertificate")),
    ("TC_M_17_CSMS", installed("CSMSRootCertificate", "ManufacturerRootCertificate")),
    ("TC_M_18_CSMS", installed("CSMSRootCertificate", "ManufacturerRootCertificate", "V2GRootCertificate", "MORootCertificate", asked=False)),
    ("TC_M_19_CSMS", [("GetInstalledCertificateIds", {"certificateType": ["MORootCertificate"]}, {"status": "NotFound"})]),
    ("TC_M_21_CSMS", [*installed("CSMSRootCertificate"), ("DeleteCertificate", {"certificateHashData": HASH}, {"status": "Failed"})]),
]


@pytest.mark.parametrize("case, steps", CERTIFICATES, ids=[row[0] for row in CERTIFICATES])
def test_certificates_of_others_are_installed_told_and_deleted_as_the_operator_asks(server, case, steps):
    with Station(server, "v201", case) as station:
        station.boots()
        play(station, steps)


@pytest.mark.parametrize("case", ["TC_M_20_CSMS"])
def test_a_certificate_is_deleted_by_the_hashes_that_the_station_told(server, case):
    with Station(server, "v201", case) as station:
        station.boots()
        kept = station.told(*installed("ManufacturerRootCertificate")[0])
        told = kept["answer"]["certificateHashDataChain"][0]["certificateHashData"]
        station.told("DeleteCertificate", {"certificateHashData": told}, ACCEPTED)
        assert station.came("DeleteCertificate")["certificateHashData"] == HASH
        station.told("GetInstalledCertificateIds", {"certificateType": ["ManufacturerRootCertificate"]}, {"status": "NotFound"})
