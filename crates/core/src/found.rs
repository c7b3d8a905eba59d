//! Members and cards as the store holds them, or the error that there are none.

use juden_domain::authorization::CardFile;
use juden_domain::ids::{CardNumber, MemberId};
use juden_domain::member::Member;
use juden_store::Store;

use crate::error::{AppError, Done};

/// A member with its cards.
pub async fn member(store: &dyn Store, id: &MemberId) -> Done<Member> {
    store.member(id).await?.ok_or_else(|| AppError::not_found("member", id))
}

/// A card with its member.
pub async fn card(store: &dyn Store, number: &CardNumber) -> Done<CardFile> {
    Ok(store.card(number).await?.ok_or_else(|| AppError::not_found("card", number))?.file)
}
