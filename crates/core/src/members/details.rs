//! What a member may change of its data (articles 9.1, 10, 13.6, 14.1, 17.3).

use crate::error::{AppError, Done};
use crate::members::Members;
use crate::members::admission::{check_email, check_name, check_payment, check_vin};
use juden_domain::activation::check_additional_request;
use juden_domain::ids::MemberId;
use juden_domain::member::{Contact, Member, MemberEvent};
use juden_domain::payment::PaymentMethod;
use juden_domain::provision::{Consent, NAME_MAX};

impl Members {
    /// Changes name and address; what is left out stays.
    pub async fn change_contact(
        &self,
        id: &MemberId,
        name: Option<&str>,
        email: Option<&str>,
    ) -> Done<Member> {
        name.map_or(Ok(()), check_name)?;
        email.map_or(Ok(()), |email| check_email(email, self.rules.email_rule))?;
        self.changes
            .change_member(id, None, |member, sight| {
                member.check_changeable(sight.at, sight.programme)?;
                let current = member.contact_at(sight.at);
                let new = Contact {
                    name: name.map_or_else(|| current.name.clone(), str::to_owned),
                    email: email.map_or_else(|| current.email.clone(), str::to_owned),
                };
                Ok((new != current).then_some(MemberEvent::ContactChanged(new)))
            })
            .await
    }

    /// Changes the payment method; setting the same one again changes nothing.
    pub async fn change_payment(&self, id: &MemberId, method: PaymentMethod) -> Done<Member> {
        check_payment(method)?;
        self.changes
            .change_member(id, None, |member, sight| {
                member.check_changeable(sight.at, sight.programme)?;
                Ok((member.payment_at(sight.at).method != method)
                    .then_some(MemberEvent::PaymentMethodChanged(method)))
            })
            .await
    }

    /// Changes the registered car; `None`: it was sold or scrapped, which ends nothing.
    pub async fn change_vehicle(&self, id: &MemberId, vin: Option<&str>) -> Done<Member> {
        vin.map_or(Ok(()), check_vin)?;
        self.changes
            .change_member(id, None, |member, sight| {
                member.check_changeable(sight.at, sight.programme)?;
                let changes = member.vehicle_at(sight.at) != vin;
                Ok(changes.then(|| MemberEvent::VehicleChanged(vin.map(str::to_owned))))
            })
            .await
    }

    /// Asks for an additional card by post.
    pub async fn request_additional(&self, id: &MemberId) -> Done<Member> {
        self.changes
            .change_member(id, None, |member, sight| {
                check_additional_request(member, sight.at, sight.programme)?;
                Ok(Some(MemberEvent::AdditionalCardRequested))
            })
            .await
    }

    /// Gives (`true`) or withdraws a member's consent that a recipient may have its data for a purpose.
    pub async fn set_consent(&self, id: &MemberId, consent: &Consent, given: bool) -> Done<Member> {
        for (field, text) in [("recipient", &consent.recipient), ("purpose", &consent.purpose)] {
            if text.is_empty()
                || text.chars().count() > NAME_MAX
                || text.chars().any(char::is_control)
            {
                return Err(AppError::invalid(
                    field,
                    format!("1 to {NAME_MAX} printable characters"),
                ));
            }
        }
        self.changes
            .change_member(id, None, |member, sight| {
                if given {
                    member.check_changeable(sight.at, sight.programme)?;
                }
                let event = if given {
                    MemberEvent::ConsentGiven(consent.clone())
                } else {
                    MemberEvent::ConsentWithdrawn(consent.clone())
                };
                Ok((member.consents_at(consent, sight.at) != given).then_some(event))
            })
            .await
    }
}
