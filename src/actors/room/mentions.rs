//! Notifications of users whom a message mentions. The node that has stored the message sends them.

use std::sync::Arc;

use actix::prelude::*;

use super::Room;
use crate::{
    actors::{fanout::Broadcast, messages::PublishToUser},
    core::{
        event::{ChatDurable, ContentType, Durable, EventBody},
        notification::Priority,
        user_event::UserEvent,
    },
    ids::{EventId, UserId},
    limits,
    logged::logged,
    store::NewNotification,
};

/// What the notification is about.
const CATEGORY: &str = "mention";

impl Room {
    /// Notifies each user whom a message mentions, but for its sender.
    pub(super) fn notify_mentioned(&self, stored: &Broadcast, ctx: &mut Context<Self>) {
        let EventBody::Durable { id, what: Durable::Chat(what), .. } = &stored.event.body else { return };
        let ChatDurable::MessageSent { sender, mentions, .. } = what else { return };
        let mentioned: Vec<UserId> = mentions.iter().filter(|user| **user != sender.id).cloned().collect();
        if mentioned.is_empty() {
            return;
        }
        let (node, room, new) = (self.node.clone(), self.identity.id, self.mention(*id, what));
        let notified = async move {
            match node.store.create_notifications(&mentioned, &new).await {
                Ok(stored) => {
                    for one in stored {
                        let user = one.user.clone();
                        let what = UserEvent::Notified { user: one.user, notification: one.notification };
                        let publish = PublishToUser { user, what: Arc::new(what), but: None };
                        if node.registry.try_send(publish).is_err() {
                            log::warn!("event=mention_not_delivered room={room} why=registry_full");
                        }
                    }
                }
                Err(error) => log::warn!("event=mention_not_stored room={room} why={}", logged(&error)),
            }
        };
        ctx.spawn(notified.into_actor(self));
    }

    fn mention(&self, message: EventId, what: &ChatDurable) -> NewNotification {
        let sender = what.author();
        let excerpt: String = match what {
            ChatDurable::MessageSent { content, content_type: ContentType::Text, .. } => {
                content.chars().take(limits::EXCERPT_CHARS_MAX).collect()
            }
            ChatDurable::MessageSent { .. }
            | ChatDurable::MessageEdited { .. }
            | ChatDurable::MessageDeleted { .. }
            | ChatDurable::MessageErased { .. }
            | ChatDurable::ReadMarked { .. }
            | ChatDurable::Reacted { .. } => "A message that can't be shown here".to_owned(),
        };
        let conversation = self.identity.label();
        let message = message.to_string();
        let about = [("conversation_id", &*conversation), ("message_id", &*message), ("user_id", sender.id.as_str())];
        NewNotification {
            title: format!("{} mentioned you", sender.username()).into(),
            message: excerpt.into(),
            category: CATEGORY.into(),
            priority: Priority::Normal,
            module: None,
            data: NewNotification::data_of(about),
            expires_at: None,
        }
    }
}
