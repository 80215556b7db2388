//! The tables, declared once for both databases. Only ids, timestamps and queried JSON have different column types.

/// Declares the tables with the given SQL types for ids, timestamps, queried JSON, and timestamps without a time zone.
macro_rules! tables {
    ($Id:ident, $Moment:ident, $Document:ident, $Utc:ident) => {
        diesel::table! {
            use diesel::sql_types::*;
            users (id) {
                id -> Text,
                number -> BigInt,
                username -> Text,
                username_key -> Text,
                email -> Nullable<Text>,
                email_key -> Nullable<Text>,
                display_name -> Text,
                display_name_key -> Text,
                password_hash -> Nullable<Text>,
                role -> Text,
                tokens_not_before -> $Moment,
                created_at -> $Moment,
                blocked_until -> $Moment,
                said_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            refresh_tokens (id) {
                id -> $Id,
                family -> $Id,
                parent -> Nullable<$Id>,
                user_id -> Text,
                expires_at -> $Moment,
                used_at -> Nullable<$Moment>,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            groups (id) {
                id -> $Id,
                name -> Text,
                description -> Nullable<Text>,
                owner_id -> Text,
                created_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            group_members (group_id, user_id) {
                group_id -> $Id,
                user_id -> Text,
                role -> Text,
                joined_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            rooms (id) {
                id -> $Id,
                kind -> Text,
                key -> Text,
                name -> Text,
                visibility -> Text,
                capacity -> Nullable<Integer>,
                settings -> Json,
                owner_id -> Nullable<Text>,
                group_id -> Nullable<$Id>,
                medium -> Nullable<Text>,
                seq -> BigInt,
                epoch -> BigInt,
                created_at -> $Moment,
                message_seq -> BigInt,
                active_at -> $Moment,
                access -> Nullable<Text>,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            room_members (room_id, user_id) {
                room_id -> $Id,
                user_id -> Text,
                role -> Text,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            messages (id) {
                id -> $Id,
                room_id -> $Id,
                seq -> BigInt,
                sender_id -> Text,
                sender_username -> Text,
                content -> Text,
                created_at -> $Moment,
                attachments -> Nullable<Json>,
                edited_at -> Nullable<$Moment>,
                deleted_at -> Nullable<$Moment>,
                content_type -> Nullable<Text>,
                mentions -> Nullable<Json>,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            search_queue (position) {
                position -> BigInt,
                message_id -> $Id,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            message_search (number) {
                number -> BigInt,
                message_id -> $Id,
                room_id -> $Id,
                bucket -> BigInt,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            search_buckets (id) {
                id -> BigInt,
                lowest -> BigInt,
                highest -> BigInt,
                messages -> BigInt,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            search_state (id) {
                id -> BigInt,
                bucket -> Nullable<BigInt>,
                old_bucket -> Nullable<BigInt>,
                old_before -> Nullable<$Id>,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            participants (user_id, room_id) {
                user_id -> Text,
                room_id -> $Id,
                joined_at -> $Moment,
                joined_seq -> BigInt,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            message_mentions (user_id, room_id, seq) {
                user_id -> Text,
                room_id -> $Id,
                seq -> BigInt,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            message_reactions (message_id, emoji, user_id) {
                message_id -> $Id,
                emoji -> Text,
                user_id -> Text,
                created_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            read_marks (room_id, user_id) {
                room_id -> $Id,
                user_id -> Text,
                seq -> BigInt,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            room_events (room_id, seq) {
                room_id -> $Id,
                seq -> BigInt,
                event_id -> $Id,
                kind -> Text,
                payload -> Json,
                created_at -> $Moment,
                client_id -> Nullable<Text>,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            user_queue (position) {
                position -> BigInt,
                user_id -> Text,
                rank -> Integer,
                leased_until -> $Moment,
                created_at -> $Moment,
                notification_id -> Nullable<$Id>,
                room_id -> Nullable<$Id>,
                seq -> Nullable<BigInt>,
                event_id -> Nullable<$Id>,
                payload -> Nullable<Json>,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            client_messages (room_id, user_id, client_id) {
                room_id -> $Id,
                user_id -> Text,
                client_id -> Text,
                event_id -> $Id,
                seq -> BigInt,
                created_at -> $Moment,
                digest -> $Id,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            sheets (id) {
                id -> Text,
                room_id -> $Id,
                updated_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            sheet_cells (sheet_id, row_index, column_index) {
                sheet_id -> Text,
                row_index -> Integer,
                column_index -> Integer,
                value -> Text,
                formula -> Nullable<Text>,
                version -> BigInt,
                user_id -> Text,
                updated_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            canvases (id) {
                id -> BigInt,
                room_id -> $Id,
                width -> Integer,
                height -> Integer,
                is_active -> Bool,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            tiles (id) {
                id -> BigInt,
                canvas_id -> BigInt,
                x -> Integer,
                y -> Integer,
                content -> Text,
                version -> BigInt,
                likes -> BigInt,
                creator -> BigInt,
                created_at -> $Moment,
                updated_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            tile_likes (tile_id, user_id) {
                tile_id -> BigInt,
                user_id -> Text,
                created_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            canvas_activity (room_id, seq) {
                room_id -> $Id,
                seq -> BigInt,
                event_id -> $Id,
                kind -> Text,
                user_id -> Text,
                payload -> Json,
                created_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            notifications (id) {
                id -> $Id,
                user_id -> Text,
                #[sql_name = "type"]
                kind -> Text,
                title -> Text,
                message -> Text,
                data -> $Document,
                status -> Text,
                is_active -> Bool,
                created_at -> $Utc,
                updated_at -> $Utc,
                expires_at -> Nullable<$Utc>,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            files (id) {
                id -> $Id,
                owner_id -> Text,
                name -> Text,
                mime_type -> Text,
                metadata -> Nullable<Text>,
                size_bytes -> BigInt,
                received_bytes -> BigInt,
                lease -> Nullable<$Id>,
                leased_at -> $Moment,
                created_at -> $Moment,
                completed_at -> Nullable<$Moment>,
                expires_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            file_parts (file_id, start_byte) {
                file_id -> $Id,
                start_byte -> BigInt,
                length_bytes -> BigInt,
                name -> Text,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            file_rooms (file_id, room_id) {
                file_id -> $Id,
                room_id -> $Id,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            spaces (room_id) {
                room_id -> $Id,
                capacity -> Integer,
                members -> Integer,
                interest_radius -> Nullable<Integer>,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            space_members (room_id, user_id) {
                room_id -> $Id,
                user_id -> Text,
                role -> Text,
                joined_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            space_state (room_id, key) {
                room_id -> $Id,
                key -> Text,
                value -> Text,
                seq -> BigInt,
                user_id -> Text,
                expires_at -> Nullable<$Moment>,
                holder_node -> Nullable<Text>,
                holder_worker -> Nullable<Integer>,
                holder_generation -> Nullable<BigInt>,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            invites (id) {
                id -> $Id,
                space_id -> $Id,
                from_user -> Text,
                to_user -> Text,
                state -> Text,
                message -> Nullable<Text>,
                template -> Nullable<Text>,
                created_at -> $Moment,
                expires_at -> $Moment,
                decided_at -> Nullable<$Moment>,
                remind_at -> Nullable<$Moment>,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            devices (user_id, id) {
                user_id -> Text,
                id -> Text,
                name -> Nullable<Text>,
                keys -> Text,
                created_at -> $Moment,
                updated_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            device_prekeys (user_id, device_id, id) {
                user_id -> Text,
                device_id -> Text,
                id -> Text,
                prekey -> Text,
                claimed_by -> Nullable<Text>,
                claimed_at -> Nullable<$Moment>,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            notification_arrivals (notification_id) {
                notification_id -> $Id,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            document_states (room_id) {
                room_id -> $Id,
                seq -> BigInt,
                state -> Binary,
                stored_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            document_versions (room_id, number) {
                room_id -> $Id,
                number -> Integer,
                seq -> BigInt,
                name -> Nullable<Text>,
                author_id -> Text,
                author_username -> Text,
                state -> Binary,
                created_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            tile_comments (id) {
                id -> $Id,
                seq -> BigInt,
                tile_id -> BigInt,
                user_id -> Text,
                content -> Text,
                created_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            moderation_version (id) {
                id -> Integer,
                version -> BigInt,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            sanctions (id) {
                id -> $Id,
                room_id -> Nullable<$Id>,
                user_id -> Text,
                kind -> Text,
                reason -> Text,
                by_id -> Text,
                created_at -> $Moment,
                ends_at -> $Moment,
                version -> BigInt,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            word_rules (id) {
                id -> $Id,
                room_id -> Nullable<$Id>,
                phrase -> Text,
                action -> Text,
                by_id -> Text,
                created_at -> $Moment,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            reports (id) {
                id -> $Id,
                room_id -> Nullable<$Id>,
                reporter_id -> Text,
                subject_id -> Text,
                target -> Text,
                target_id -> Text,
                reason -> Text,
                excerpt -> Text,
                state -> Text,
                claimed_by -> Nullable<Text>,
                decision -> Nullable<Text>,
                note -> Nullable<Text>,
                created_at -> $Moment,
                resolved_at -> Nullable<$Moment>,
            }
        }
        diesel::table! {
            use diesel::sql_types::*;
            audit_log (position) {
                position -> BigInt,
                created_at -> $Moment,
                actor_id -> Text,
                action -> Text,
                subject_id -> Nullable<Text>,
                room_id -> Nullable<$Id>,
                details -> Text,
                address -> Text,
            }
        }
        diesel::joinable!(sheets -> rooms (room_id));
        diesel::joinable!(spaces -> rooms (room_id));
        diesel::joinable!(space_members -> users (user_id));
        diesel::allow_tables_to_appear_in_same_query!(spaces, rooms);
        diesel::allow_tables_to_appear_in_same_query!(spaces, space_members, users);
        diesel::allow_tables_to_appear_in_same_query!(space_members, rooms);
        diesel::allow_tables_to_appear_in_same_query!(invites, rooms);
        diesel::joinable!(group_members -> groups (group_id));
        diesel::joinable!(group_members -> users (user_id));
        diesel::allow_tables_to_appear_in_same_query!(users, groups, group_members, rooms, room_members, participants, room_events, sheets, canvases);
        diesel::allow_tables_to_appear_in_same_query!(messages, users);
        diesel::allow_tables_to_appear_in_same_query!(space_state, users);
        diesel::joinable!(tiles -> canvases (canvas_id));
        diesel::joinable!(canvases -> rooms (room_id));
        diesel::joinable!(tile_likes -> tiles (tile_id));
        diesel::joinable!(tile_comments -> users (user_id));
        diesel::allow_tables_to_appear_in_same_query!(tile_comments, users);
        diesel::allow_tables_to_appear_in_same_query!(canvases, tiles, tile_likes);
        diesel::allow_tables_to_appear_in_same_query!(messages, rooms);
        diesel::allow_tables_to_appear_in_same_query!(messages, search_queue);
        diesel::joinable!(user_queue -> notifications (notification_id));
        diesel::allow_tables_to_appear_in_same_query!(notifications, user_queue);
    };
}

pub(super) use tables;
